import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkRules } from "../../../lua/core/rule-check.ts";

const SUBSET = { version: "v2" };
const MATCH = { on: "header:x-beta", equals: "1" };
const percents = (...values: readonly number[]) => values.map((percent) => ({ percent, subset: SUBSET }));
const check = (rule: object) => checkRules([{ subset: SUBSET, ...rule }]);
const checkMatch = (match: object) => check({ match: { on: "path", ...match } });

describe("a rule", () => {
  it("has a match, a percentage, or both", () => {
    expect(check({ match: MATCH })).toBeUndefined();
    expect(check({ percent: 5 })).toBeUndefined();
    expect(check({ match: MATCH, percent: 5, hashOn: "cookie:user" })).toBeUndefined();
    expect(check({})).toBe("policy.rules[0]: needs a match, a percent, or both");
  });

  it("matches on something that the request has, by one operator", () => {
    for (const on of ["header:x-beta", "cookie:beta", "query:beta", "path"]) {
      expect(check({ match: { on, prefix: "1" } })).toBeUndefined();
    }
    for (const on of [undefined, "address"])
      expect(check({ match: { on, equals: "1" } })).toContain("match.on: must be");
    for (const on of ["beta", "header:", 1, null]) expect(check({ match: { on, equals: "1" } })).toContain("match.on");
    expect(checkMatch({})).toBe("policy.rules[0].match: needs exactly one of equals, prefix, regex");
    expect(checkMatch({ equals: "a", prefix: "a" })).toBe(
      "policy.rules[0].match: needs exactly one of equals, prefix, regex",
    );
    expect(checkMatch({ suffix: "a" })).toContain("unknown key");
  });

  it("compares with a text that is not empty, of at most 512 bytes", () => {
    for (const operator of ["equals", "prefix"]) {
      for (const text of ["a", "ü".repeat(256), "\n"]) expect(checkMatch({ [operator]: text })).toBeUndefined();
      for (const text of ["", "ü".repeat(257), 1, null, []])
        expect(checkMatch({ [operator]: text })).toContain(operator);
    }
  });

  it("has a regular expression that nginx and Node read alike", () => {
    expect(checkMatch({ regex: "^/v[12]/(?:a|b)+$" })).toBeUndefined();
    expect(checkMatch({ regex: "(?i)a" })).toBe(
      "policy.rules[0].match.regex: of the groups with ? only (?:...) is allowed (character 1)",
    );
  });

  it("names a subset by at least one entry of metadata", () => {
    for (const subset of [{ version: "v2" }, { zone: "", disk: "ssd" }]) {
      expect(checkRules([{ percent: 1, subset }])).toBeUndefined();
    }
    for (const subset of [
      undefined,
      null,
      "v2",
      {},
      [],
      { version: 2 },
      { "a b": "x" },
      { version: "ü".repeat(257) },
    ]) {
      expect(checkRules([{ percent: 1, subset }])).toContain("policy.rules[0].subset");
    }
    const entries = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, "v"]));
    expect(checkRules([{ percent: 1, subset: entries(16) }])).toBeUndefined();
    expect(checkRules([{ percent: 1, subset: entries(17) }])).toBe("policy.rules[0].subset: more than 16 entries");
  });

  it("has a percentage from 0 to 100, also a part of one", () => {
    for (const percent of [0, 0.1, 99.99, 100]) expect(check({ percent })).toBeUndefined();
    for (const percent of [-0.1, 100.1, Number.NaN, Number.POSITIVE_INFINITY, "5", null]) {
      expect(check({ percent })).toBe("policy.rules[0].percent: must be a number from 0 to 100");
    }
  });
});

describe("rules", () => {
  it("without a match may share out all users, however the percentages are rounded", () => {
    const tenths = fc.integer({ min: 0, max: 1000 });
    fc.assert(
      fc.property(tenths, tenths, (one, other) => {
        const [first, second] = [Math.min(one, other), Math.max(one, other)];
        const parts = [first, second - first, 1000 - second].map((part) => part / 10);
        expect(checkRules(percents(...parts)), `${parts}`).toBeUndefined();
      }),
      { numRuns: 1000 },
    );
  });

  it("without a match may not share out more than there are", () => {
    for (const more of [percents(60, 40.1), percents(100, 0.1), percents(...new Array<number>(11).fill(10))]) {
      expect(checkRules(more)).toBe(
        "policy.rules: the percentages of the rules without a match add up to more than 100",
      );
    }
    const withMatch = percents(60, 60).map((rule) => ({ ...rule, match: MATCH }));
    expect(checkRules([...withMatch, ...percents(100)])).toBeUndefined();
  });

  it("are at most 32, and the one that is wrong is named", () => {
    const many = percents(...new Array<number>(32).fill(3));
    expect(checkRules(many)).toBeUndefined();
    expect(checkRules([...many, ...percents(1)])).toBe("policy.rules: more than 32");
    expect(checkRules([...percents(1, 2), { percent: 200, subset: SUBSET }])).toContain("policy.rules[2].percent");
    expect(checkRules({ percent: 1 })).toBe("policy.rules: must be an array");
  });

  it("that are anything at all are answered without an exception", () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (value, subset) => {
        for (const rules of [value, [value], [{ percent: 1, subset }], [{ match: value, subset }]]) {
          expect(typeof checkRules(rules)).toMatch(/string|undefined/);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
