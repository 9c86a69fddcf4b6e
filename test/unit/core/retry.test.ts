import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isFailure, isGrpcFailure } from "../../../lua/core/failure.ts";
import { isIdempotent, isWithinBudget } from "../../../lua/core/retry.ts";

/** Requests that each want so many retries: how many of these are allowed. */
function allowedRetries(wanted: readonly number[], budgetPercent?: number): number {
  const use = { requests: 0, retries: 0 };
  for (const retries of wanted) {
    use.requests++;
    for (let i = 0; i < retries; i++) {
      if (isWithinBudget(use, budgetPercent === undefined ? undefined : { budgetPercent })) use.retries++;
    }
  }
  return use.retries;
}

describe("a request may be sent again", () => {
  it("where twice is as once", () => {
    for (const method of ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]) expect(isIdempotent(method)).toBe(true);
    for (const method of ["POST", "PATCH", "LOCK", "get", "", "GET "]) expect(isIdempotent(method)).toBe(false);
  });

  it("as long as retries are within their part of the requests, or are the first ten", () => {
    const anyWanted = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 400 });
    fc.assert(
      fc.property(anyWanted, fc.integer({ min: 0, max: 100 }), (wanted, budgetPercent) => {
        const allowed = allowedRetries(wanted, budgetPercent);
        const within = Math.max(10, (wanted.length * budgetPercent) / 100);
        expect(allowed).toBeLessThanOrEqual(budgetPercent === 0 ? 0 : within);
      }),
    );
  });

  it("a fifth of 10,000 times where every request fails, and always where few do", () => {
    const failing = new Array<number>(10_000).fill(2);
    expect(allowedRetries(failing)).toBe(2000);
    expect(allowedRetries(failing, 100)).toBe(10_000);
    expect(allowedRetries(failing, 0)).toBe(0);
    const seldom = failing.map((_, i) => (i % 10 === 0 ? 1 : 0));
    expect(allowedRetries(seldom)).toBe(1000);
  });

  it("ten times where there is hardly any traffic", () => {
    expect(allowedRetries([2, 2, 2, 2, 2])).toBe(10);
    expect(allowedRetries([9, 9, 9])).toBe(10);
  });
});

describe("an answer counts against the instance", () => {
  it("when its status says that the server is at fault, and not the client", () => {
    for (const status of [500, 502, 503, 504, 599]) expect(isFailure(status)).toBe(true);
    for (const status of [101, 200, 204, 302, 400, 404, 429, 499]) expect(isFailure(status)).toBe(false);
  });

  it("when its gRPC status does, and not where the call was wrong, came too late or was not allowed", () => {
    const failures = Array.from({ length: 17 }, (_, i) => `${i}`).filter((status) => isGrpcFailure(status));
    expect(failures).toEqual(["2", "13", "14", "15"]);
    expect(isGrpcFailure(undefined)).toBe(false);
    expect(isGrpcFailure("")).toBe(false);
  });
});
