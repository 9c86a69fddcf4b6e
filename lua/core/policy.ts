import { isIntegerWithin } from "./numbers.ts";
import { escapeText } from "./text.ts";
import { ALGORITHMS, type Algorithm, type Policy } from "./types.ts";

export const DEFAULT_POLICY: Policy = { algorithm: "weighted-random" };
export const DEFAULT_MAX_ATTEMPTS = 3;
export const MAX_ATTEMPTS = 10;

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

/** What is wrong with a policy, in words for whoever wrote it; undefined when it is valid. */
export function checkPolicy(value: unknown): string | undefined {
  if (typeof value !== "object" || value === undefined || value === null) return "policy: must be an object";
  // In Lua an empty object is an empty array as well.
  if (Array.isArray(value) && value.length > 0) return "policy: must be an object";
  const policy = value as Record<string, unknown>;
  for (const key in policy) {
    if (key !== "algorithm" && key !== "hashOn" && key !== "maxAttempts") {
      return `policy: unknown key "${escapeText(`${key}`)}" (known: algorithm, hashOn, maxAttempts)`;
    }
  }
  const algorithm = policy["algorithm"];
  if (typeof algorithm !== "string" || !isAlgorithm(algorithm)) {
    return `policy.algorithm: must be one of ${ALGORITHMS.join(", ")}`;
  }
  const hashOn = policy["hashOn"];
  if (hashOn === undefined) {
    if (algorithm === "consistent-hash") {
      return "policy.hashOn: consistent-hash needs a hash key, such as header:x-user-id";
    }
  } else if (typeof hashOn !== "string" || parseHashOn(hashOn) === undefined) {
    return "policy.hashOn: must be header:NAME, cookie:NAME, query:NAME, path or address";
  }
  const maxAttempts = policy["maxAttempts"];
  if (maxAttempts !== undefined && !isIntegerWithin(maxAttempts, 1, MAX_ATTEMPTS)) {
    return `policy.maxAttempts: must be a whole number from 1 to ${MAX_ATTEMPTS}`;
  }
  return undefined;
}

function isAlgorithm(text: string): text is Algorithm {
  for (const algorithm of ALGORITHMS) {
    if (algorithm === text) return true;
  }
  return false;
}
