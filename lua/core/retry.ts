import type { Retries } from "./types.ts";

/** Requests and retries of a service in a worker, over some ten seconds. */
export interface RetryUse {
  readonly requests: number;
  readonly retries: number;
}

const DEFAULT_BUDGET_PERCENT = 20;

/** So many retries are allowed whatever the traffic: a budget of a few requests would allow none. */
const LEAST_RETRIES = 10;

/**
 * Whether a method may be sent twice with the effect of once: RFC 9110, section 9.2.2. (CONNECT does not come here.)
 * @param method in capitals
 */
export function isIdempotent(method: string): boolean {
  return (
    method === "GET" ||
    method === "HEAD" ||
    method === "OPTIONS" ||
    method === "PUT" ||
    method === "DELETE" ||
    method === "TRACE"
  );
}

/**
 * Whether one more retry is within the budget: a service that fails must not get several times its load for it.
 */
export function isWithinBudget(use: RetryUse, retries: Retries | undefined): boolean {
  const percent = retries?.budgetPercent ?? DEFAULT_BUDGET_PERCENT;
  if (percent === 0) return false;
  return use.retries < LEAST_RETRIES || (use.retries + 1) * 100 <= use.requests * percent;
}
