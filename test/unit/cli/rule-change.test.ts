import { describe, expect, it } from "vitest";
import { formatRule } from "../../../cli/store/policy-text.ts";
import { type RuleChange, withoutSubset, withSubset } from "../../../cli/store/rule-change.ts";
import type { Rule, RuleMatch } from "../../../lua/core/types.ts";

const v2 = { version: "v2" };
const v3 = { version: "v3" };
const header = (value: string): RuleMatch => ({ on: "header:x", equals: value });
const cookie = (value: string): RuleMatch => ({ on: "cookie:c", equals: value });
const path = (prefix: string): RuleMatch => ({ on: "path", prefix });

const RULES: readonly Rule[] = [
  { match: header("2"), subset: v2 },
  { match: header("3"), subset: v3 },
  { match: cookie("2"), subset: v2 },
  { percent: 5, hashOn: "cookie:uid", subset: v2 },
  { percent: 10, subset: v3 },
];

const change = (fields: Partial<RuleChange> & { only?: RuleMatch[][] }, rules = RULES): string[] => {
  const given = { subset: v2, matches: new Map(), ...fields };
  return withSubset(rules, given).map(formatRule);
};
const before = RULES.map(formatRule);

describe("the rules of a subset", () => {
  it("a percentage alone: matches and the user's name stay, at their places", () => {
    expect(change({ percent: 7 })).toEqual(before.with(3, "7 % by cookie:uid → version=v2"));
  });

  it("matches of one kind alone: the others stay", () => {
    const matches = new Map([["header", [header("a"), header("b")]]] as const);
    const [, third, ...rest] = before;
    expect(change({ matches })).toEqual(["header:x=a → version=v2", "header:x=b → version=v2", third, ...rest]);
  });

  it("matches of a kind that was not there come before all percentages", () => {
    const matches = new Map([["path", [path("/v2")]]] as const);
    expect(change({ matches })).toEqual(before.toSpliced(3, 0, "path=/v2* → version=v2"));
    expect(change({ matches }, [])).toEqual(["path=/v2* → version=v2"]);
  });

  it("none takes a kind away", () => {
    expect(change({ matches: new Map([["header", []]] as const) })).toEqual(before.slice(1));
    expect(change({ percent: "none" })).toEqual(before.toSpliced(3, 1));
    expect(change({ percent: "none", matches: new Map([["path", []]] as const) })).toEqual(before.toSpliced(3, 1));
  });

  it("of a new subset: matches first, the percentage last, so that no other user moves", () => {
    const matches = new Map([["cookie", [cookie("4")]]] as const);
    expect(change({ subset: { version: "v4" }, percent: 1, matches })).toEqual([
      ...before.slice(0, 3),
      "cookie:c=4 → version=v4",
      ...before.slice(3),
      "1 % → version=v4",
    ]);
  });

  it("what names the user: given, kept, or taken away", () => {
    expect(change({ hashOn: "path" })).toEqual(before.with(3, "5 % by path → version=v2"));
    expect(change({ hashOn: "none" })).toEqual(before.with(3, "5 % → version=v2"));
    expect(change({ percent: 9, hashOn: "none" })).toEqual(before.with(3, "9 % → version=v2"));
    expect(change({ subset: v3, percent: 9 })).toEqual(before.with(4, "9 % → version=v3"));
    expect(() => change({ hashOn: "path" }, [])).toThrow("give --percent as well");
  });

  it("several rules of a kind become those that are given, at the place of the first", () => {
    const rules: Rule[] = [
      { match: path("/a"), subset: v2 },
      { match: header("3"), subset: v3 },
      { match: { on: "path", equals: "/b" }, percent: 50, subset: v2 },
      { percent: 1, subset: v2 },
      { percent: 2, subset: v2 },
    ];
    const matches = new Map([["path", [path("/c")]]] as const);
    expect(change({ percent: 3, matches }, rules)).toEqual([
      "path=/c* → version=v2",
      "header:x=3 → version=v3",
      "3 % → version=v2",
    ]);
  });

  it("a subset is another one when it asks for more, or for less", () => {
    const both = { version: "v2", zone: "a" };
    expect(change({ subset: both, percent: 1 })).toEqual([...before, "1 % → version=v2,zone=a"]);
    const rules = withSubset(RULES, { subset: both, percent: 1, matches: new Map() });
    expect(withoutSubset(rules, v2).map(formatRule)).toEqual([before[1], before[4], "1 % → version=v2,zone=a"]);
    expect(withoutSubset(rules, { zone: "a", version: "v2" })).toEqual(RULES);
  });
});
