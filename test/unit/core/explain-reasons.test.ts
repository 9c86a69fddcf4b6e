import { describe, expect, it } from "vitest";
import { explain, formatSubset } from "../../../lua/core/explain.ts";
import type { Rule } from "../../../lua/core/types.ts";
import { FRESH } from "./fixtures.ts";
import { ejecting, versionedList } from "./routed.ts";

const V2 = { version: "v2" };
const everybody: Rule = { percent: 100, subset: V2 };
const nobody: Rule = { percent: 0, subset: V2 };
const beta: Rule = { match: { on: "header:x-beta", equals: "1" }, subset: V2 };
const LEFT_OUT = "ejected for its answers, as long as no more than 50 % of the peers are";

/** Why each instance would or would not get the key. */
const reasons = (list: Parameters<typeof explain>[0], situation = FRESH) =>
  explain(list, situation, "user-1").candidates.map(({ reason }) => reason);

describe("explain through rules", () => {
  it("counts rules from 1, and names none where none takes the key", () => {
    expect(explain(versionedList(["v1", "v2"], { rules: [nobody, everybody] }), FRESH, "user-1").rule).toBe(2);
    expect(explain(versionedList(["v1", "v2"], { rules: [nobody] }), FRESH, "user-1").rule).toBeUndefined();
    expect(explain(versionedList(["v1", "v2"], {}), FRESH, "user-1").rule).toBeUndefined();
  });

  it("takes a key for a request that has nothing else, which no rule with a match takes", () => {
    expect(explain(versionedList(["v1", "v2"], { rules: [beta] }), FRESH, "1").rule).toBeUndefined();
  });

  it("says of those outside that they are not in the subset", () => {
    expect(reasons(versionedList(["v1", "v2", "v2"], { algorithm: "best", rules: [everybody] }))).toEqual([
      "not in the subset that takes this key",
      "head of the list",
      "number 2 on the list",
    ]);
  });

  it("says of those in a subset what they take, where the key is not theirs", () => {
    expect(reasons(versionedList(["v1", "v2"], { rules: [beta, nobody] }))).toEqual([
      "drawn by chance, 100.0 % of the weight",
      "takes only what rules send to version=v2",
    ]);
  });

  it("gives the shares of those who take the key, not of the whole service", () => {
    expect(reasons(versionedList(["v1", "v2", "v2"], { rules: [everybody] })).slice(1)).toEqual([
      "drawn by chance, 50.0 % of the weight",
      "drawn by chance, 50.0 % of the weight",
    ]);
  });

  it("still names the rule where its subset has nobody, though the rest takes the key", () => {
    const { rule, order } = explain(versionedList(["v1", "v1"], { rules: [everybody] }), FRESH, "user-1");
    expect(rule).toBe(1);
    expect(order).toEqual(["demo-1", "demo-2"]);
  });
});

describe("explain of ejected instances", () => {
  it("says that they are left out, and up to when", () => {
    expect(reasons(versionedList(["v1", "v1", "v1"], {}), ejecting("demo-2"))).toEqual([
      "drawn by chance, 50.0 % of the weight",
      LEFT_OUT,
      "drawn by chance, 50.0 % of the weight",
    ]);
    const list = versionedList(["v1", "v1", "v1"], { ejection: { maxEjectedPercent: 40 } });
    expect(reasons(list, ejecting("demo-2"))[1]).toContain("no more than 40 %");
  });

  it("has them all again in panic", () => {
    const list = versionedList(["v1", "v1", "v1"], { algorithm: "best" });
    const { order, peer } = explain(list, ejecting("demo-1", "demo-2"), "user-1");
    expect(order).toEqual(["demo-1", "demo-2", "demo-3"]);
    expect(peer).toBe("demo-1");
  });

  it("says of a subset of which all are ejected that they are, while the rest takes the key", () => {
    const list = versionedList(["v1", "v1", "v2"], { algorithm: "best", rules: [everybody] });
    expect(reasons(list, ejecting("demo-3"))).toEqual(["head of the list", "number 2 on the list", LEFT_OUT]);
  });
});

it("a subset is shown by its entries, sorted by key", () => {
  expect(formatSubset({ zone: "a", version: "v2" })).toBe("version=v2,zone=a");
  expect(formatSubset({ b: "1", a: "2", c: "" })).toBe("a=2,b=1,c=");
});
