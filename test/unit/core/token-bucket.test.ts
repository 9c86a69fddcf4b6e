import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  fullAfterRequest,
  isAdmitted,
  resetSeconds,
  retryAfterSeconds,
  tokensLeft,
} from "../../../lua/core/token-bucket.ts";
import type { Limit } from "../../../lua/core/types.ts";
import { NOW_MS, randoms } from "./fixtures.ts";

const anyLimit = fc.record({
  key: fc.constant("address"),
  rate: fc.oneof(fc.constantFrom(0.5, 3, 7, 100), fc.double({ min: 0.001, max: 1000, noNaN: true })),
  burst: fc.integer({ min: 1, max: 50 }),
});
/** Gaps between requests in milliseconds, many of them none. */
const anyGaps = fc.array(fc.oneof(fc.constant(0), fc.nat(5), fc.nat(3000)), { minLength: 1, maxLength: 300 });

const limitOf = (rate: number, burst: number): Limit => ({ key: "address", rate, burst });

/** Which of the requests that come at these times are admitted, as the router would say. */
function admissions(limit: Limit, timesMs: readonly number[]): boolean[] {
  let fullAtMs = 0;
  return timesMs.map((nowMs) => {
    const next = fullAfterRequest(fullAtMs, nowMs, limit);
    const admitted = isAdmitted(next, nowMs, limit);
    if (admitted) fullAtMs = next;
    return admitted;
  });
}

const count = (admitted: readonly boolean[]) => admitted.filter((each) => each).length;
/** From now on, and the last millisecond included. */
const everyMs = (seconds: number, perMs: number) =>
  Array.from({ length: (seconds * 1000 + 1) * perMs }, (_, i) => NOW_MS + Math.floor(i / perMs));

describe("a limit", () => {
  it.each([
    { rate: 100, burst: 20, seconds: 10, admitted: 1020 },
    { rate: 3, burst: 5, seconds: 100, admitted: 305 },
    { rate: 0.5, burst: 1, seconds: 100, admitted: 51 },
    { rate: 0.001, burst: 2, seconds: 100, admitted: 2 },
    { rate: 7, burst: 7, seconds: 60, admitted: 427 },
    { rate: 1000, burst: 1, seconds: 10, admitted: 10_001 },
    { rate: 1000, burst: 500, seconds: 10, admitted: 10_500 },
  ])("of $rate/s with a burst of $burst admits $admitted in $seconds s of overload", (given) => {
    const { rate, burst, seconds, admitted } = given;
    expect(count(admissions(limitOf(rate, burst), everyMs(seconds, 2)))).toBe(admitted);
  });

  it("admits a burst at once and no more, however long nothing came", () => {
    for (const [rate, burst] of [
      [3, 1],
      [3, 20],
      [0.7, 999],
      [333, 1000],
    ] as const) {
      const together = new Array<number>(burst + 50).fill(NOW_MS);
      const later = together.map((ms) => ms + 100 * 3_600_000);
      expect(count(admissions(limitOf(rate, burst), together))).toBe(burst);
      expect(count(admissions(limitOf(rate, burst), [...together, ...later]))).toBe(2 * burst);
    }
  });

  it("admits in any time no more than a burst and what has come in since", () => {
    fc.assert(
      fc.property(anyLimit, anyGaps, (limit, gaps) => {
        let nowMs = NOW_MS;
        const timesMs = gaps.map((gap) => (nowMs += gap));
        const admitted = admissions(limit, timesMs);
        for (const [first, fromMs] of timesMs.entries()) {
          let sum = 0;
          for (let i = first; i < timesMs.length; i++) {
            if (admitted[i]) sum++;
            expect(sum).toBeLessThanOrEqual(limit.burst + ((timesMs[i]! - fromMs) * limit.rate) / 1000 + 0.01);
          }
        }
      }),
    );
  });

  it("refuses nobody who keeps to it", () => {
    const random = randoms(3);
    for (const rate of [0.3, 3, 7, 70, 333]) {
      const timesMs = Array.from({ length: 2000 }, (_, i) => NOW_MS + (i + random()) * (1000 / rate));
      expect(admissions(limitOf(rate, 2), timesMs)).not.toContain(false);
    }
  });

  it("of more than 1000/s is kept to within 3 %: there milliseconds since 1970 have no more digits", () => {
    for (const rate of [3000, 10_000, 300_000, 1_000_000]) {
      const admitted = count(admissions(limitOf(rate, 1000), everyMs(1, Math.ceil(rate / 900))));
      expect(Math.abs(admitted / (rate + 1000) - 1)).toBeLessThan(0.03);
    }
  });
});

describe("what a client is told", () => {
  it("is as many tokens as there are requests that will be admitted", () => {
    fc.assert(
      fc.property(anyLimit, anyGaps, (limit, gaps) => {
        let nowMs = NOW_MS;
        let fullAtMs = 0;
        for (const gap of gaps) {
          nowMs += gap;
          const left = tokensLeft(fullAtMs, nowMs, limit);
          const next = fullAfterRequest(fullAtMs, nowMs, limit);
          expect(left > 0).toBe(isAdmitted(next, nowMs, limit));
          expect(left).toBeLessThanOrEqual(limit.burst);
          if (left > 0) {
            fullAtMs = next;
            expect(tokensLeft(fullAtMs, nowMs, limit)).toBe(left - 1);
          }
        }
      }),
    );
  });

  // Where a bucket lacks a thousandth of a token, which was once the tolerance.
  it.each([
    1997, 1998, 1999, 2000,
  ])("is the same as what is admitted %i ms after the last token of one in two seconds", (ms) => {
    const limit = limitOf(0.5, 1);
    const fullAtMs = fullAfterRequest(0, NOW_MS, limit);
    const admitted = isAdmitted(fullAfterRequest(fullAtMs, NOW_MS + ms, limit), NOW_MS + ms, limit);
    expect(tokensLeft(fullAtMs, NOW_MS + ms, limit)).toBe(admitted ? 1 : 0);
  });

  it("is a time after which a request is admitted, and not a second more", () => {
    fc.assert(
      fc.property(anyLimit, fc.nat(2000), (limit, afterMs) => {
        let fullAtMs = 0;
        for (let i = 0; i < limit.burst; i++) fullAtMs = fullAfterRequest(fullAtMs, NOW_MS, limit);
        const nowMs = NOW_MS + afterMs;
        const next = fullAfterRequest(fullAtMs, nowMs, limit);
        fc.pre(!isAdmitted(next, nowMs, limit));
        const seconds = retryAfterSeconds(next, nowMs, limit);
        const admittedAfter = (wait: number) => {
          const thenMs = nowMs + wait * 1000;
          return isAdmitted(fullAfterRequest(fullAtMs, thenMs, limit), thenMs, limit);
        };
        expect(seconds).toBeGreaterThanOrEqual(1);
        expect(admittedAfter(seconds)).toBe(true);
        // A thousandth of a token is not waited for.
        if (seconds > 1) expect(admittedAfter(seconds - 1 - 0.002 / limit.rate)).toBe(false);
      }),
    );
  });

  it("is when the bucket is full again", () => {
    expect(resetSeconds(NOW_MS + 1, NOW_MS)).toBe(1);
    expect(resetSeconds(NOW_MS + 2000, NOW_MS)).toBe(2);
    expect(resetSeconds(NOW_MS - 5000, NOW_MS)).toBe(0);
    expect(resetSeconds(0, NOW_MS)).toBe(0);
  });
});

describe("a bucket that is further ahead than its limit lets it be", () => {
  function fullAfterBurst(limit: Limit): number {
    let fullAtMs = 0;
    for (let i = 0; i < limit.burst; i++) fullAtMs = fullAfterRequest(fullAtMs, NOW_MS, limit);
    return fullAtMs;
  }

  it("is full again when the limit was raised: its clients do not wait as long as under the old one", () => {
    const raised = limitOf(100, 20);
    const fullAtMs = fullAfterBurst(limitOf(0.01, 20));
    expect(tokensLeft(fullAtMs, NOW_MS + 1000, raised)).toBe(20);
    expect(isAdmitted(fullAfterRequest(fullAtMs, NOW_MS + 1000, raised), NOW_MS + 1000, raised)).toBe(true);
  });

  it("is full again when the clock was set back by an hour", () => {
    const limit = limitOf(10, 20);
    const nowMs = NOW_MS - 3_600_000;
    expect(isAdmitted(fullAfterRequest(fullAfterBurst(limit), nowMs, limit), nowMs, limit)).toBe(true);
  });

  it("stays empty where another worker's clock is a little behind", () => {
    const limit = limitOf(10, 20);
    const nowMs = NOW_MS - 2000;
    expect(tokensLeft(fullAfterBurst(limit), nowMs, limit)).toBe(0);
    expect(isAdmitted(fullAfterRequest(fullAfterBurst(limit), nowMs, limit), nowMs, limit)).toBe(false);
  });
});
