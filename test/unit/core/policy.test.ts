import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkPolicy, DEFAULT_POLICY } from "../../../lua/core/policy.ts";
import { ALGORITHMS } from "../../../lua/core/types.ts";
import { EVERY_ALGORITHM, policyOf } from "./fixtures.ts";

const SECTIONS = ["score", "timeouts", "retries", "ejection"];
const KEYS = ["algorithm", "hashOn", "maxAttempts", "top", "statusPort", "slowStartMs"];
const ALL_KEYS = [...KEYS, ...SECTIONS, "rules", "limit", "sticky"];

/** What is wrong with a policy of which this is set: a field, or a field of a section. */
function check(path: string, value: unknown): string | undefined {
  const [first, second] = path.split(".");
  return checkPolicy({ algorithm: "best", [first!]: second === undefined ? value : { [second]: value } });
}

const limit = (fields: object) =>
  checkPolicy({ algorithm: "best", limit: { key: "address", rate: 1, burst: 1, ...fields } });

describe("a policy", () => {
  it("may have any of the algorithms that the tests know, and is adaptive by default", () => {
    expect([...ALGORITHMS].sort()).toEqual([...EVERY_ALGORITHM].sort());
    for (const algorithm of ALGORITHMS) expect(checkPolicy(policyOf(algorithm))).toBeUndefined();
    expect(checkPolicy(DEFAULT_POLICY)).toBeUndefined();
    expect(DEFAULT_POLICY.algorithm).toBe("adaptive");
  });

  it("has no key that is not known: a mistyped one is an error, not a default", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...SECTIONS), (key, section) => {
        fc.pre(!ALL_KEYS.includes(key));
        const mistyped = Object.fromEntries([[key, 1]]);
        expect(checkPolicy({ ...mistyped, algorithm: "best" })).toContain("policy: unknown key");
        fc.pre(!["cpu", "memory", "latency", "errors"].includes(key));
        expect(check(section, mistyped)).toContain(`policy.${section}: unknown key`);
      }),
    );
  });

  it.each([
    ["maxAttempts", 1, 10],
    ["top", 1, 20_000],
    ["statusPort", 1, 65_535],
    ["slowStartMs", 0, 3_600_000],
    ["timeouts.connectMs", 1, 60_000],
    ["timeouts.perTryMs", 1, 86_400_000],
    ["timeouts.overallMs", 1, 86_400_000],
    ["timeouts.streamIdleMs", 1000, 604_800_000],
    ["retries.budgetPercent", 0, 100],
    ["ejection.consecutiveFailures", 0, 1000],
    ["ejection.unanswered", 0, 1000],
    ["ejection.errorPercent", 0, 100],
    ["ejection.baseMs", 100, 3_600_000],
    ["ejection.maxMs", 100, 3_600_000],
    ["ejection.maxEjectedPercent", 0, 100],
  ])("has for %s a whole number from %i to %i", (path, least, most) => {
    for (const value of [least, least + 1, most - 1, most]) expect(check(path, value)).toBeUndefined();
    const bad = [
      least - 1,
      most + 1,
      least + 0.5,
      -1,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      `${least}`,
      null,
      true,
      [],
      {},
    ];
    for (const value of bad) {
      expect(check(path, value)).toBe(`policy.${path}: must be a whole number from ${least} to ${most}`);
    }
  });

  it.each(SECTIONS)("may leave everything in %s to its default, but must have an object there", (section) => {
    expect(check(section, {})).toBeUndefined();
    for (const value of [null, 1, "x", true, [1]]) expect(check(section, value)).toContain(`policy.${section}: `);
  });

  it("says of requests that are not idempotent yes or no", () => {
    for (const value of [true, false]) expect(check("retries.nonIdempotent", value)).toBeUndefined();
    for (const value of [0, 1, "true", null]) {
      expect(check("retries.nonIdempotent", value)).toBe("policy.retries.nonIdempotent: must be true or false");
    }
  });

  it("limits by a key, a rate and a burst, none of which has a default", () => {
    expect(limit({})).toBeUndefined();
    for (const rate of [0.001, 0.5, 1_000_000]) expect(limit({ rate })).toBeUndefined();
    for (const rate of [undefined, 0, -1, 0.0009, 1_000_001, Number.NaN, "1", null])
      expect(limit({ rate })).toContain(".rate");
    for (const burst of [undefined, 0, 1.5, 1_000_001, "1", null])
      expect(limit({ burst })).toContain("policy.limit.burst");
    for (const key of [undefined, "user", 1, null]) expect(limit({ key })).toContain("policy.limit.key");
    expect(limit({ per: "second" })).toContain("unknown key");
  });

  it("pins sessions by a cookie whose name nginx has a variable for", () => {
    for (const cookie of ["route", "R_1"]) expect(check("sticky.cookie", cookie)).toBeUndefined();
    for (const cookie of ["", "a-b", "a b", "ä", "a".repeat(65), 1, null, undefined]) {
      expect(check("sticky.cookie", cookie)).toBe(
        "policy.sticky.cookie: must be a cookie's name: letters, digits and _",
      );
    }
  });

  it("answers anything at all without an exception", () => {
    fc.assert(
      fc.property(fc.anything(), fc.constantFrom(...ALL_KEYS), (value, key) => {
        expect(typeof checkPolicy(value)).toMatch(/string|undefined/);
        expect(typeof checkPolicy({ algorithm: "best", [key]: value })).toMatch(/string|undefined/);
      }),
      { numRuns: 2000 },
    );
  });
});
