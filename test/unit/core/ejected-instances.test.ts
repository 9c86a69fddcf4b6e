import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { healthOf } from "../../../lua/core/routing.ts";
import { FRESH, listOf, NOW_MS, override, ownerOf, planOf } from "./fixtures.ts";
import { anyServed, ejecting, planFor, routingOf, servingIds, versionedList } from "./routed.ts";

const BETA = { has: { "header:x-beta": "1" } };
const rules = [{ match: { on: "header:x-beta", equals: "1" }, subset: { version: "v2" } }];

describe("an ejected instance", () => {
  it("takes no request, and the others take its part", () => {
    const list = listOf("weighted-random", [10, 20, 30, 40]);
    const routing = routingOf(list, ejecting("demo-2"));
    expect(routing.plans[0]!.ids).toEqual(["demo-1", "demo-3", "demo-4"]);
    expect(routing.ejected).toEqual([1]);
    expect(routing.panic).toBe(false);
    expect(healthOf(list, ejecting("demo-2")).weights).toEqual([10, 0, 30, 40]);
  });

  it("is left out also after its time, until a request that tries it has succeeded", () => {
    const list = listOf("best", [10, 20, 30]);
    const long = { ...FRESH, ejectedUntilMs: { "demo-1": NOW_MS - 60_000 } };
    expect(routingOf(list, long).ejected).toEqual([0]);
  });

  it("moves no other instance's users", () => {
    const weights = [100, 100, 100, 100, 100];
    const before = planOf("consistent-hash", weights);
    const after = routingOf(listOf("consistent-hash", weights), ejecting("demo-3")).plans[0]!;
    for (let i = 0; i < 2000; i++) {
      const owner = ownerOf(before, `user-${i}`);
      if (owner === "demo-3") expect(ownerOf(after, `user-${i}`)).not.toBe(owner);
      else expect(ownerOf(after, `user-${i}`)).toBe(owner);
    }
  });

  it("does not count when it takes no requests anyway, or is gone", () => {
    const list = listOf("best", [10, 0, 0, 10]);
    expect(routingOf(list, ejecting("demo-2", "demo-3", "demo-4", "gone"))).toMatchObject({
      panic: false,
      ejected: [3],
    });
  });
});

it("an instance's state is what the router has seen of it, but drained where an operator wanted it so", () => {
  const list = listOf("best", [10, 10, 10, 10, 0, 0]);
  const [a, b, c, d, e, f] = list.instances;
  const drained = { ...e!, override: override({ weight: 0 }) };
  const instances = [a!, b!, c!, { ...d!, score: 0 }, drained, { ...f!, score: 0 }];
  const { states, panic } = healthOf({ ...list, instances }, ejecting("demo-2", "demo-4", "demo-5", "demo-6"));
  expect(states).toEqual(["up", "ejected", "up", "ejected", "drained", "down"]);
  expect(panic).toBe(false);
});

describe("panic", () => {
  it("leaves nobody out when more than half are ejected", () => {
    const list = listOf("weighted-random", [10, 20, 30, 40]);
    expect(routingOf(list, ejecting("demo-1", "demo-2"))).toMatchObject({ panic: false, ejected: [0, 1] });
    const routing = routingOf(list, ejecting("demo-1", "demo-2", "demo-3"));
    expect(routing).toMatchObject({ panic: true, ejected: [] });
    expect(routing.plans[0]!.weights).toEqual([10, 20, 30, 40]);
    expect(healthOf(list, ejecting("demo-1", "demo-2", "demo-3")).weights).toEqual([10, 20, 30, 40]);
  });

  it.each([0, 50, 100])("is when everybody is ejected, where at most %i in a hundred may be", (maxEjectedPercent) => {
    for (const ids of [["demo-1"], ["demo-1", "demo-2", "demo-3"]]) {
      const list = versionedList(
        ids.map(() => "v1"),
        { ejection: { maxEjectedPercent } },
      );
      expect(routingOf(list, ejecting(...ids))).toMatchObject({ panic: true, ejected: [] });
      expect(routingOf(list, ejecting(...ids)).plans[0]!.ids).toEqual(ids);
    }
  });

  it("is of the whole service, not of a subset", () => {
    const list = versionedList(["v1", "v1", "v1", "v2"], { rules });
    expect(routingOf(list, ejecting("demo-4")).panic).toBe(false);
  });
});

describe("where a subset has nobody else", () => {
  it("its requests go to the rest", () => {
    const routing = routingOf(versionedList(["v1", "v1", "v1", "v2"], { rules }), ejecting("demo-4"));
    expect(planFor(routing, BETA).ids).toEqual(["demo-1", "demo-2", "demo-3"]);
  });

  it("the rest's own instances serve it all the same, rather than a canary all by itself", () => {
    const list = versionedList(["v1", "v1", "v2", "v2"], { rules });
    const routing = routingOf(list, ejecting("demo-1", "demo-2"));
    expect(routing.panic).toBe(false);
    expect(planFor(routing, {}).ids).toEqual(["demo-1", "demo-2"]);
    expect(planFor(routing, BETA).ids).toEqual(["demo-3", "demo-4"]);
  });
});

it("an instance has a weight for new requests if and only if some request goes to it", () => {
  fc.assert(
    fc.property(anyServed("weighted-random"), ({ list, situation }) => {
      const serving = servingIds(routingOf(list, situation));
      const { weights } = healthOf(list, situation);
      expect(list.instances.filter((_, i) => weights[i]! > 0).map(({ id }) => id)).toEqual(
        list.instances.filter(({ id }) => serving.has(id)).map(({ id }) => id),
      );
    }),
    { numRuns: 1000 },
  );
});
