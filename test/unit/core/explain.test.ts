import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { explain } from "../../../lua/core/explain.ts";
import { hashText } from "../../../lua/core/hash.ts";
import { pickPeer } from "../../../lua/core/pick.ts";
import { EVERY_ALGORITHM, FRESH, listOf, request, weightsWithZeros } from "./fixtures.ts";
import { anyServed, planFor, routingOf, ruleFor } from "./routed.ts";

describe.each(["consistent-hash", "best"] as const)("explain with %s", (algorithm) => {
  it("names the peer that the router picks, and the others in the order in which it retries, through any rules", () => {
    fc.assert(
      fc.property(anyServed(algorithm), fc.string(), ({ list, situation }, user) => {
        const routing = routingOf(list, situation);
        const plan = planFor(routing, { user });
        const tried: number[] = [];
        for (;;) {
          const peer = pickPeer(plan, request({ keyHash: hashText(user), tried }));
          if (peer < 0) break;
          tried.push(peer);
        }
        const { peer, order, rule } = explain(list, situation, user);
        expect(order).toEqual(tried.map((index) => plan.ids[index]));
        expect(peer).toBe(order[0]);
        expect((rule ?? 0) - 1).toBe(ruleFor(routing.rules, { user }));
      }),
      { numRuns: 500 },
    );
  });
});

describe.each(EVERY_ALGORITHM)("explain with %s", (algorithm) => {
  it("tells of every instance whether it is eligible and why", () => {
    fc.assert(
      fc.property(weightsWithZeros, fc.string(), (weights, key) => {
        const list = listOf(algorithm, weights);
        const { candidates, order } = explain(list, FRESH, key);
        expect(candidates.map(({ id, weight }) => [id, weight])).toEqual(
          list.instances.map((each) => [each.id, each.weight]),
        );
        for (const { id, weight, eligible } of candidates) {
          expect(eligible).toBe(weight > 0);
          expect(order.includes(id)).toBe(eligible);
        }
      }),
    );
  });

  it("has as eligible those to whom a user's requests go, and a reason for everybody, through any rules", () => {
    fc.assert(
      fc.property(anyServed(algorithm), fc.string(), ({ list, situation }, user) => {
        const { candidates, order } = explain(list, situation, user);
        const { ids } = planFor(routingOf(list, situation), { user });
        expect(candidates.filter(({ eligible }) => eligible).map(({ id }) => id)).toEqual(ids);
        expect(order.toSorted()).toEqual(ids.toSorted());
        for (const { reason } of candidates) expect(reason).not.toMatch(/NaN|undefined|Infinity|^$/);
      }),
    );
  });

  it("names no peer where chance or turns decide, or nobody takes requests", () => {
    const decided = algorithm === "consistent-hash" || algorithm === "best";
    expect(explain(listOf(algorithm, [1, 2]), FRESH, "user-1").peer !== undefined).toBe(decided);
    expect(explain(listOf(algorithm, [0, 0]), FRESH, "user-1").peer).toBeUndefined();
  });
});

it("explain tells who drained an instance and why", () => {
  const list = listOf("best", [0, 5]);
  const drained = { ...list.instances[0]!, override: { weight: 0, by: "alice", reason: "a new disk", at: 1 } };
  const { candidates } = explain({ ...list, instances: [drained, list.instances[1]!] }, FRESH, "");
  expect(candidates[0]?.reason).toBe("drained by alice: a new disk");
});
