import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isInSubset } from "../../../lua/core/routing.ts";
import type { Rule } from "../../../lua/core/types.ts";
import { countsOf, FRESH, peer, randoms } from "./fixtures.ts";
import { anyServed, planFor, routedTo, routingOf, ruleFor, servingIds, versionedList } from "./routed.ts";

const BETA = { "header:x-beta": "1" };
const beta: Rule = { match: { on: "header:x-beta", equals: "1" }, subset: { version: "v2" } };
const canary: Rule = { percent: 5, subset: { version: "v2" } };

describe("the instances of a rule's subset", () => {
  it("get what the rule sends them, and the others get all the rest", () => {
    const routing = routingOf(versionedList(["v1", "v2", "v1", "v2"], { rules: [beta] }));
    const random = randoms(1);
    const ids = (has: object) => new Set(Array.from({ length: 200 }, () => routedTo(routing, { ...has }, random())));
    expect(ids({ has: BETA })).toEqual(new Set(["demo-2", "demo-4"]));
    expect(ids({})).toEqual(new Set(["demo-1", "demo-3"]));
  });

  it("get 5 % of the requests in all, not 5 % of the requests and their weight's part of the others", () => {
    const routing = routingOf(versionedList(["v1", "v1", "v1", "v2"], { rules: [canary] }));
    const random = randoms(2);
    const users = Array.from({ length: 100_000 }, (_, i) => `user-${i}`);
    const counts = countsOf(users.map((user) => routedTo(routing, { user }, random())));
    expect(Math.abs(counts.get("demo-4")! / 1000 - 5)).toBeLessThan(0.3);
    for (const id of ["demo-1", "demo-2", "demo-3"]) {
      expect(Math.abs(counts.get(id)! / 1000 - 95 / 3)).toBeLessThan(0.5);
    }
  });

  it("get nothing else, and a rule's requests go to nobody else, as long as both have somebody", () => {
    fc.assert(
      fc.property(anyServed("best"), ({ list, situation }) => {
        const { ejectedUntilMs: _, ...healthy } = situation;
        const routing = routingOf(list, healthy);
        const rules = list.policy.rules!;
        const serving = list.instances.filter(({ weight }) => weight > 0);
        const rest = serving.filter((each) => !rules.some(({ subset }) => isInSubset(each, subset)));
        if (rest.length > 0) expect(routing.plans[0]!.ids).toEqual(rest.map(({ id }) => id));
        for (const [i, { subset }] of rules.entries()) {
          const members = serving.filter((each) => isInSubset(each, subset)).map(({ id }) => id);
          const plan = routing.plans[routing.planOfRule[i]!]!;
          if (members.length > 0) expect(plan.ids).toEqual(members);
          else expect(plan).toBe(routing.plans[0]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("are those that have all of its metadata", () => {
    const subset = { version: "v2", zone: "a" };
    expect(isInSubset(peer({ metadata: { version: "v2", zone: "a", disk: "ssd" } }), subset)).toBe(true);
    expect(isInSubset(peer({ metadata: { version: "v2", zone: "b" } }), subset)).toBe(false);
    expect(isInSubset(peer({ metadata: { version: "v2" } }), subset)).toBe(false);
    expect(isInSubset(peer({ metadata: {} }), { constructor: "x" })).toBe(false);
  });
});

describe("a subset in which nobody takes requests", () => {
  it.each([
    { why: "there is no such instance", rules: [{ ...beta, subset: { version: "v9" } }], drained: [] },
    { why: "they are drained", rules: [beta], drained: ["demo-2", "demo-4"] },
  ])("leaves its requests to the rest: $why", ({ rules, drained }) => {
    const list = versionedList(["v1", "v2", "v1", "v2"], { rules });
    const instances = list.instances.map((each) => (drained.includes(each.id) ? { ...each, weight: 0 } : each));
    const routing = routingOf({ ...list, instances });
    expect(ruleFor(routing.rules, { has: BETA })).toBe(0);
    expect(planFor(routing, { has: BETA })).toBe(routing.plans[0]);
    expect(routedTo(routing, { has: BETA })).toBe("demo-1");
  });
});

describe("a service", () => {
  it("whose instances are all in subsets lets them take what no rule takes", () => {
    const routing = routingOf(versionedList(["v2", "v2"], { rules: [canary] }));
    expect(routing.plans[0]!.ids).toEqual(["demo-1", "demo-2"]);
  });

  it("lets rules for the same subset take turns together", () => {
    const rules = [beta, { ...canary, percent: 100 }];
    const list = versionedList(["v1", "v2", "v2"], { algorithm: "round-robin", rules });
    const routing = routingOf(list);
    const turns = [BETA, {}, BETA, {}].map((has) => routedTo(routing, { has }));
    expect(turns).toEqual(["demo-2", "demo-3", "demo-2", "demo-3"]);
  });

  it("has somebody for every request as long as anybody takes requests", () => {
    fc.assert(
      fc.property(anyServed("weighted-random"), fc.string(), fc.boolean(), ({ list, situation }, user, isBeta) => {
        const someone = list.instances.some(({ weight }) => weight > 0);
        const asked = { user, has: isBeta ? BETA : {} };
        for (const where of [FRESH, situation]) {
          expect(routedTo(routingOf(list, where), asked) !== undefined).toBe(someone);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("sends nobody of weight 0 a request, whatever the rules", () => {
    fc.assert(
      fc.property(anyServed("best"), ({ list, situation }) => {
        const serving = servingIds(routingOf(list, situation));
        for (const { id, weight } of list.instances) if (weight === 0) expect(serving.has(id)).toBe(false);
      }),
    );
  });
});
