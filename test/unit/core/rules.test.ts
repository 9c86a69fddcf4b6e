import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hashText } from "../../../lua/core/hash.ts";
import { matchingRule, type PreparedRule, prepareRules } from "../../../lua/core/rules.ts";
import type { Rule } from "../../../lua/core/types.ts";
import { countsOf, ownerOf, planOf } from "./fixtures.ts";
import { ruleFor } from "./routed.ts";

const COUNT = 100_000;
const USERS = Array.from({ length: COUNT }, (_, i) => `user-${i}`);
const HASHES = USERS.map((user) => hashText(user));
const CANARY = { version: "v2" };
const BETA = { "header:x-beta": "1" };
const percentRule = (percent: number): Rule => ({ percent, subset: CANARY });
const betaRule: Rule = { match: { on: "header:x-beta", equals: "1" }, subset: CANARY };
const matchRule = (match: object): Rule => ({ match: { on: "path", ...match }, subset: CANARY });

/** By user: the index of the rule that takes a request which has nothing but its user's name, -1 for none. */
function ruleByUser(rules: readonly PreparedRule[]): number[] {
  const values = rules.map(() => "");
  return HASHES.map((hash) => matchingRule(rules, { values, keyHashes: values.map(() => hash) }, () => false));
}

const percentRules = (...percents: readonly number[]) => prepareRules(percents.map((percent) => percentRule(percent)));
const takes = (rule: Rule, path: string) => ruleFor(prepareRules([rule]), { has: { path } }) === 0;
const countOf = (rule: number, taken: readonly number[]) => taken.filter((each) => each === rule).length;

describe("a rule for a part of the users", () => {
  it.each([0.5, 5, 10, 50, 99])("of %d % takes so many of 100,000, give or take 0.3", (percent) => {
    expect(Math.abs(countOf(0, ruleByUser(percentRules(percent))) / 1000 - percent)).toBeLessThan(0.3);
  });

  it("takes the same users on every router, and keeps them when it is raised", () => {
    let before = ruleByUser(percentRules(5));
    expect(ruleByUser(percentRules(5))).toEqual(before);
    for (const percent of [5.1, 10, 33.3]) {
      const after = ruleByUser(percentRules(percent));
      expect(countOf(0, after)).toBeGreaterThan(countOf(0, before));
      expect(before.some((rule, user) => rule === 0 && after[user] !== 0)).toBe(false);
      before = after;
    }
  });

  it("shares no user with another one, and each has its part", () => {
    const rules = percentRules(5, 10, 33.3, 20);
    const taken = ruleByUser(rules);
    for (const [i, percent] of [5, 10, 33.3, 20].entries()) {
      expect(Math.abs(countOf(i, taken) / 1000 - percent)).toBeLessThan(0.4);
      // By itself it takes no more: it is not the order of the rules that keeps them apart.
      expect(countOf(0, ruleByUser([rules[i]!]))).toBe(countOf(i, taken));
    }
  });

  it("leaves nobody out together with others that make 100 %", () => {
    for (const percents of [[33.3, 33.3, 33.4], [0.7, 89.9, 9.4], [100], new Array<number>(32).fill(3.125)]) {
      expect(ruleByUser(percentRules(...percents))).not.toContain(-1);
    }
  });

  it("takes nobody at 0 % and everybody at 100 %", () => {
    expect(ruleByUser(percentRules(0))).not.toContain(0);
    expect(ruleByUser(percentRules(0, 100))).not.toContain(0);
    expect(ruleByUser(percentRules(100))).not.toContain(-1);
  });

  it("takes parts of the line that do not overlap, whatever the percentages", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 12, noNaN: true }), { maxLength: 8 }), (percents) => {
        let end = 0;
        for (const { from, to } of percentRules(...percents)) {
          expect(from).toBe(end);
          expect(to).toBeGreaterThanOrEqual(from);
          end = to;
        }
      }),
    );
  });

  it("takes as many of one instance's users as of another's, where users have an instance", () => {
    const taken = ruleByUser(percentRules(10));
    const plan = planOf("consistent-hash", [100, 100, 100, 100]);
    const owners = USERS.slice(0, 40_000).map((user) => ownerOf(plan, user));
    const ownersOfTaken = owners.filter((_, user) => taken[user] === 0);
    for (const [id, count] of countsOf(owners)) {
      expect(Math.abs(countsOf(ownersOfTaken).get(id)! / count - 0.1)).toBeLessThan(0.02);
    }
  });
});

describe("the first rule that matches decides", () => {
  const some = USERS.slice(0, 2000);

  it("a header's before a percentage, when it is the first, for every user", () => {
    const rules = prepareRules([betaRule, percentRule(5)]);
    for (const user of some) {
      expect(ruleFor(rules, { user, has: BETA })).toBe(0);
      expect(ruleFor(rules, { user })).not.toBe(0);
    }
  });

  it("a percentage's before a header, when it is the first, for its users", () => {
    const rules = prepareRules([percentRule(5), betaRule]);
    const five = ruleByUser(percentRules(5));
    for (const [i, user] of some.entries()) expect(ruleFor(rules, { user, has: BETA })).toBe(five[i] === 0 ? 0 : 1);
  });

  it("and a match with a percentage takes that part of those who match, and nobody else", () => {
    const rules = prepareRules([{ ...betaRule, percent: 20 }]);
    const taken = USERS.slice(0, 50_000).map((user) => ruleFor(rules, { user, has: BETA }));
    expect(Math.abs(countOf(0, taken) / 500 - 20)).toBeLessThan(0.5);
    expect(ruleByUser(rules)).not.toContain(0);
  });

  it("a match with a percentage takes no part away from rules without a match", () => {
    const taken = ruleByUser(prepareRules([{ ...betaRule, percent: 50 }, percentRule(10)]));
    expect(taken.map((rule) => rule === 1)).toEqual(ruleByUser(percentRules(10)).map((rule) => rule === 0));
  });
});

describe("a rule's match", () => {
  it.each([
    [{ equals: "/a" }, ["/a"]],
    [{ prefix: "/a" }, ["/a", "/a/b"]],
    [{ regex: "/a$" }, ["/a", "x/a"]],
  ])("%j is of the whole value, of its beginning, or anywhere in it", (match, matching) => {
    expect(["/a", "/a/b", "/", "x/a"].filter((path) => takes(matchRule(match), path))).toEqual(matching);
  });

  it("is never of what a request does not have", () => {
    for (const match of [{ equals: "1" }, { prefix: "1" }, { regex: ".*" }, { regex: "^$" }]) {
      expect(takes(matchRule(match), "")).toBe(false);
    }
  });
});
