import type { Limit } from "./types.ts";

/**
 * A token bucket in one number, by the generic cell rate algorithm (ITU-T I.371): the time at which the bucket would be
 * full again. Each request moves it on by the time that one token takes; it may be `burst` tokens ahead of now.
 *
 * All times are milliseconds on one clock.
 */

/** Workers' clocks differ by some milliseconds, and by seconds in one that was held up. */
const CLOCK_SLACK_MS = 10_000;

/**
 * Sums of quotients such as 1000/3 are not exact: so much of a token is given away. A power of two, so that adding it is
 * exact, and no product of whole milliseconds and a common rate falls on it: what is left and what is admitted agree.
 */
const TOLERANCE = 1 / 1024;

/** When the bucket would be full again if one more request were admitted. 0 stands for a bucket that was never used. */
export function fullAfterRequest(fullAtMs: number, nowMs: number, limit: Limit): number {
  return Math.max(credible(fullAtMs, nowMs, limit), nowMs) + 1000 / limit.rate;
}

/**
 * When a bucket is full again, 0 for one that is further ahead than requests of this limit take it: its limit was changed,
 * or the clock was set back.
 */
function credible(fullAtMs: number, nowMs: number, limit: Limit): number {
  return fullAtMs - nowMs > (limit.burst * 1000) / limit.rate + CLOCK_SLACK_MS ? 0 : fullAtMs;
}

/** Whether the request that would make a bucket full at this time is admitted. */
export function isAdmitted(nextFullAtMs: number, nowMs: number, limit: Limit): boolean {
  return (nextFullAtMs - nowMs) * limit.rate <= (limit.burst + TOLERANCE) * 1000;
}

/** Whole tokens that are left in a bucket. */
export function tokensLeft(fullAtMs: number, nowMs: number, limit: Limit): number {
  const missing = (Math.max(0, credible(fullAtMs, nowMs, limit) - nowMs) * limit.rate) / 1000;
  return Math.max(0, Math.floor(limit.burst - missing + TOLERANCE));
}

/** Whole seconds, at least one, until a request that was refused would be admitted. */
export function retryAfterSeconds(nextFullAtMs: number, nowMs: number, limit: Limit): number {
  return Math.max(1, Math.ceil((nextFullAtMs - nowMs) / 1000 - limit.burst / limit.rate));
}

/** Whole seconds until a bucket is full. */
export function resetSeconds(fullAtMs: number, nowMs: number): number {
  return Math.ceil(Math.max(0, fullAtMs - nowMs) / 1000);
}
