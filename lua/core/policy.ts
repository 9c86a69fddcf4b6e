import { isIntegerWithin, MAX_PORT } from "./numbers.ts";
import { isRecord } from "./record.ts";
import { escapeText } from "./text.ts";
import { ALGORITHMS, type Algorithm, type Policy } from "./types.ts";

export const DEFAULT_POLICY: Policy = { algorithm: "weighted-random" };
export const DEFAULT_MAX_ATTEMPTS = 3;
export const MAX_ATTEMPTS = 10;
const MAX_TOP = 20_000;

/** Where a hash key comes from. */
export interface HashSource {
  readonly from: "header" | "cookie" | "query" | "path" | "address";
  /** The header, cookie or query argument; empty for `path` and `address`. */
  readonly name: string;
}

/** Parses `header:NAME`, `cookie:NAME`, `query:NAME`, `path` or `address`; undefined when it is none of them. */
export function parseHashOn(text: string): HashSource | undefined {
  if (text === "path") return { from: "path", name: "" };
  if (text === "address") return { from: "address", name: "" };
  const colon = text.indexOf(":");
  if (colon < 0) return undefined;
  const from = text.slice(0, colon);
  const name = text.slice(colon + 1);
  if (from !== "header" && from !== "cookie" && from !== "query") return undefined;
  return isVariableName(name, from === "header") ? { from, name } : undefined;
}

/** nginx reads these through variables such as `$cookie_NAME`, so a name is letters, digits, `_` and, in a header, `-`. */
function isVariableName(name: string, dashes: boolean): boolean {
  if (name.length < 1 || name.length > 64) return false;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    const letter = (code >= 97 && code <= 122) || (code >= 65 && code <= 90);
    const digit = code >= 48 && code <= 57;
    if (!letter && !digit && code !== 95 && !(dashes && code === 45)) return false;
  }
  return true;
}

const KNOWN_KEYS = ["algorithm", "hashOn", "maxAttempts", "top", "statusPort", "slowStartMs", "score"];
const COEFFICIENTS = ["cpu", "memory", "latency", "errors", "inFlight"];
const MAX_COEFFICIENT = 10;
const MAX_SLOW_START_MS = 3_600_000;

/** What is wrong with a policy, in words for whoever wrote it; undefined when it is valid. */
export function checkPolicy(value: unknown): string | undefined {
  if (!isRecord(value)) return "policy: must be an object";
  const unknown = unknownKey(value, KNOWN_KEYS);
  if (unknown !== undefined) return `policy: unknown key ${unknown}`;
  const algorithm = value["algorithm"];
  if (typeof algorithm !== "string" || !isAlgorithm(algorithm)) {
    return `policy.algorithm: must be one of ${ALGORITHMS.join(", ")}`;
  }
  const hashOn = value["hashOn"];
  if (hashOn === undefined) {
    if (algorithm === "consistent-hash") {
      return "policy.hashOn: consistent-hash needs a hash key, such as header:x-user-id";
    }
  } else if (typeof hashOn !== "string" || parseHashOn(hashOn) === undefined) {
    return "policy.hashOn: must be header:NAME, cookie:NAME, query:NAME, path or address";
  }
  return (
    checkWhole(value, "maxAttempts", 1, MAX_ATTEMPTS) ??
    checkWhole(value, "top", 1, MAX_TOP) ??
    checkWhole(value, "statusPort", 1, MAX_PORT) ??
    checkWhole(value, "slowStartMs", 0, MAX_SLOW_START_MS) ??
    checkCoefficients(value["score"])
  );
}

function checkWhole(policy: Record<string, unknown>, key: string, least: number, most: number): string | undefined {
  const value = policy[key];
  if (value === undefined || isIntegerWithin(value, least, most)) return undefined;
  return `policy.${key}: must be a whole number from ${least} to ${most}`;
}

function checkCoefficients(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (!isRecord(value)) return "policy.score: must be an object";
  const unknown = unknownKey(value, COEFFICIENTS);
  if (unknown !== undefined) return `policy.score: unknown key ${unknown}`;
  for (const key of COEFFICIENTS) {
    const coefficient = value[key];
    if (coefficient === undefined) continue;
    if (typeof coefficient !== "number" || !(coefficient >= 0 && coefficient <= MAX_COEFFICIENT)) {
      return `policy.score: ${key} must be a number from 0 to ${MAX_COEFFICIENT}`;
    }
  }
  return undefined;
}

/** The first key that is not known, quoted, with those that are. */
function unknownKey(record: Record<string, unknown>, known: readonly string[]): string | undefined {
  for (const key in record) {
    if (!known.includes(key)) return `"${escapeText(`${key}`)}" (known: ${known.join(", ")})`;
  }
  return undefined;
}

function isAlgorithm(text: string): text is Algorithm {
  for (const algorithm of ALGORITHMS) {
    if (algorithm === text) return true;
  }
  return false;
}
