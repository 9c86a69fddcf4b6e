import { checkObject, checkWhole } from "./field-check.ts";
import { isIntegerWithin, MAX_PORT } from "./numbers.ts";
import { checkSource, isVariableName } from "./request-source.ts";
import { checkRules } from "./rule-check.ts";
import { ALGORITHMS, type Algorithm, type Policy } from "./types.ts";

export const DEFAULT_POLICY: Policy = { algorithm: "adaptive" };
export const DEFAULT_MAX_ATTEMPTS = 3;
export const MAX_ATTEMPTS = 10;
const MAX_TOP = 20_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

const KNOWN_KEYS = [
  "algorithm",
  "hashOn",
  "maxAttempts",
  "top",
  "statusPort",
  "slowStartMs",
  "score",
  "timeouts",
  "retries",
  "ejection",
  "rules",
  "limit",
  "sticky",
];
const COEFFICIENTS = ["cpu", "memory", "latency", "errors", "inFlight"];
const MAX_COEFFICIENT = 10;
const LEAST_RATE = 0.001;
const MAX_TOKENS = 1_000_000;

/** What is wrong with a policy, in words for whoever wrote it; undefined when it is valid. */
export function checkPolicy(value: unknown): string | undefined {
  const error = checkObject("policy", value, KNOWN_KEYS);
  if (error !== undefined) return error;
  const policy = value as Record<string, unknown>;
  const algorithm = policy["algorithm"];
  if (typeof algorithm !== "string" || !isAlgorithm(algorithm)) {
    return `policy.algorithm: must be one of ${ALGORITHMS.join(", ")}`;
  }
  if (policy["hashOn"] === undefined && algorithm === "consistent-hash") {
    return "policy.hashOn: consistent-hash needs a hash key, such as header:x-user-id";
  }
  return (
    checkSource("policy.hashOn", policy["hashOn"]) ??
    checkWhole("policy", policy, "maxAttempts", 1, MAX_ATTEMPTS) ??
    checkWhole("policy", policy, "top", 1, MAX_TOP) ??
    checkWhole("policy", policy, "statusPort", 1, MAX_PORT) ??
    checkWhole("policy", policy, "slowStartMs", 0, HOUR_MS) ??
    checkCoefficients(policy["score"]) ??
    checkTimeouts(policy["timeouts"]) ??
    checkRetries(policy["retries"]) ??
    checkEjection(policy["ejection"]) ??
    checkRules(policy["rules"]) ??
    checkLimit(policy["limit"]) ??
    checkSticky(policy["sticky"])
  );
}

function checkCoefficients(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const error = checkObject("policy.score", value, COEFFICIENTS);
  if (error !== undefined) return error;
  for (const key of COEFFICIENTS) {
    const coefficient = (value as Record<string, unknown>)[key];
    if (coefficient === undefined) continue;
    if (typeof coefficient !== "number" || !(coefficient >= 0 && coefficient <= MAX_COEFFICIENT)) {
      return `policy.score: ${key} must be a number from 0 to ${MAX_COEFFICIENT}`;
    }
  }
  return undefined;
}

function checkTimeouts(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const path = "policy.timeouts";
  const error = checkObject(path, value, ["connectMs", "perTryMs", "overallMs", "streamIdleMs"]);
  if (error !== undefined) return error;
  const timeouts = value as Record<string, unknown>;
  return (
    checkWhole(path, timeouts, "connectMs", 1, 60_000) ??
    checkWhole(path, timeouts, "perTryMs", 1, DAY_MS) ??
    checkWhole(path, timeouts, "overallMs", 1, DAY_MS) ??
    checkWhole(path, timeouts, "streamIdleMs", 1000, 7 * DAY_MS)
  );
}

function checkRetries(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const path = "policy.retries";
  const error = checkObject(path, value, ["nonIdempotent", "budgetPercent"]);
  if (error !== undefined) return error;
  const retries = value as Record<string, unknown>;
  const nonIdempotent = retries["nonIdempotent"];
  if (nonIdempotent !== undefined && typeof nonIdempotent !== "boolean") {
    return `${path}.nonIdempotent: must be true or false`;
  }
  return checkWhole(path, retries, "budgetPercent", 0, 100);
}

function checkEjection(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const path = "policy.ejection";
  const known = ["consecutiveFailures", "unanswered", "errorPercent", "baseMs", "maxMs", "maxEjectedPercent"];
  const error = checkObject(path, value, known);
  if (error !== undefined) return error;
  const ejection = value as Record<string, unknown>;
  return (
    checkWhole(path, ejection, "consecutiveFailures", 0, 1000) ??
    checkWhole(path, ejection, "unanswered", 0, 1000) ??
    checkWhole(path, ejection, "errorPercent", 0, 100) ??
    checkWhole(path, ejection, "baseMs", 100, HOUR_MS) ??
    checkWhole(path, ejection, "maxMs", 100, HOUR_MS) ??
    checkWhole(path, ejection, "maxEjectedPercent", 0, 100)
  );
}

function checkLimit(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const path = "policy.limit";
  const error = checkObject(path, value, ["key", "rate", "burst"]);
  if (error !== undefined) return error;
  const { key, rate, burst } = value as { key: unknown; rate: unknown; burst: unknown };
  if (key === undefined) return `${path}.key: is missing, such as address or header:x-user-id`;
  if (typeof rate !== "number" || !(rate >= LEAST_RATE && rate <= MAX_TOKENS)) {
    return `${path}.rate: must be a number of requests a second, ${LEAST_RATE} to ${MAX_TOKENS}`;
  }
  if (!isIntegerWithin(burst, 1, MAX_TOKENS)) return `${path}.burst: must be a whole number from 1 to ${MAX_TOKENS}`;
  return checkSource(`${path}.key`, key);
}

function checkSticky(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const error = checkObject("policy.sticky", value, ["cookie"]);
  if (error !== undefined) return error;
  const { cookie } = value as { cookie: unknown };
  if (typeof cookie === "string" && isVariableName(cookie, false)) return undefined;
  return "policy.sticky.cookie: must be a cookie's name: letters, digits and _";
}

function isAlgorithm(text: string): text is Algorithm {
  for (const algorithm of ALGORITHMS) {
    if (algorithm === text) return true;
  }
  return false;
}
