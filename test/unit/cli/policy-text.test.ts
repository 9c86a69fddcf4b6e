import { describe, expect, it } from "vitest";
import { formatRule, policyChanges, policyFields } from "../../../cli/store/policy-text.ts";
import type { Policy, Rule } from "../../../lua/core/types.ts";

const v2 = { version: "v2" };
const v3 = { version: "v3", zone: "a" };
const beta: Rule = { match: { on: "header:x-beta", equals: "1" }, subset: v2 };

it("fields are named as errors name them, with values as they are typed", () => {
  const policy: Policy = {
    algorithm: "best",
    slowStartMs: 0,
    timeouts: { connectMs: 1500, perTryMs: 60_000, streamIdleMs: 86_400_000 },
    retries: { nonIdempotent: false, budgetPercent: 20 },
    rules: [beta, { percent: 0.5, hashOn: "path", subset: v3 }],
    limit: { key: "address", rate: 0.5, burst: 20 },
  };
  expect(policyFields(policy)).toEqual([
    ["algorithm", "best"],
    ["slowStartMs", "0ms"],
    ["timeouts.connectMs", "1500ms"],
    ["timeouts.perTryMs", "1m"],
    ["timeouts.streamIdleMs", "1d"],
    ["retries.nonIdempotent", "off"],
    ["retries.budgetPercent", "20 %"],
    ["rules[0]", "header:x-beta=1 → version=v2"],
    ["rules[1]", "0.5 % by path → version=v3,zone=a"],
    ["limit.key", "address"],
    ["limit.rate", "0.5"],
    ["limit.burst", "20"],
  ]);
});

it("a rule with both a match and a percentage", () => {
  expect(formatRule({ ...beta, percent: 50 })).toBe("header:x-beta=1, 50 % → version=v2");
});

describe("what has changed", () => {
  const best: Policy = { algorithm: "best" };
  const changes = (before: readonly Rule[], after: readonly Rule[]) =>
    policyChanges({ ...best, rules: before }, { ...best, rules: after });

  it("fields that are new, another, or gone", () => {
    const before: Policy = { ...best, top: 3, limit: { key: "address", rate: 5, burst: 1 } };
    const after: Policy = { algorithm: "adaptive", hashOn: "path", limit: { key: "address", rate: 9, burst: 1 } };
    expect(policyChanges(before, after)).toEqual([
      "algorithm=adaptive (was best)",
      "hashOn=path (was not set)",
      "limit.rate=9 (was 5)",
      "top removed (was 3)",
    ]);
  });

  it("rules", () => {
    const five: Rule = { percent: 5, subset: v2 };
    expect(changes([], [beta, five])).toEqual(["add header:x-beta=1 → version=v2", "add 5 % → version=v2"]);
    expect(changes([beta, five], [five])).toEqual(["remove header:x-beta=1 → version=v2"]);
    expect(changes([beta, five], [beta, { ...five, percent: 10 }])).toEqual(["10 % → version=v2 (was 5 %)"]);
    expect(changes([five], [{ ...five, subset: v3 }])).toEqual([
      "remove 5 % → version=v2",
      "add 5 % → version=v3,zone=a",
    ]);
    expect(changes([beta, five], [five, beta])).toEqual(["the same rules in another order"]);
    expect(changes([beta, beta], [beta])).toEqual(["remove header:x-beta=1 → version=v2"]);
  });

  it("is never nothing", () => {
    expect(policyChanges({ ...best, timeouts: {} }, best)).toEqual(["the same in another form"]);
  });
});
