import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildServiceList, type ScoredInstance, sameServiceList } from "../../../lua/core/service-list.ts";
import { override } from "./fixtures.ts";

const anyInstance: fc.Arbitrary<ScoredInstance> = fc.record({
  id: fc.stringMatching(/^[a-z]{1,3}$/),
  name: fc.string(),
  address: fc.ipV4(),
  port: fc.constant(80),
  weight: fc.integer({ min: 0, max: 1000 }),
  metadata: fc.constant({}),
  score: fc.constantFrom(0, 0.3, 0.5, 1),
  chosen: fc.boolean(),
  override: fc.option(
    fc.integer({ min: 0, max: 1000 }).map((weight) => override({ weight })),
    { nil: undefined, freq: 3 },
  ),
});
const candidates = fc.uniqueArray(anyInstance, { maxLength: 8, selector: ({ id }) => id });

describe("the best list", () => {
  it("has every instance once, best first, in whatever order they registered", () => {
    fc.assert(
      fc.property(candidates, (given) => {
        const { instances } = buildServiceList(1, undefined, given);
        expect(instances.map(({ id }) => id).sort()).toEqual(given.map(({ id }) => id).sort());
        for (let i = 1; i < instances.length; i++) {
          expect(instances[i - 1]!.weight).toBeGreaterThanOrEqual(instances[i]!.weight);
        }
        expect(buildServiceList(1, undefined, given.toReversed()).instances).toEqual(instances);
      }),
    );
  });

  it("lets the scores stand aside while anything is overridden", () => {
    fc.assert(
      fc.property(candidates, (given) => {
        const list = buildServiceList(1, undefined, given);
        const manual = given.some((candidate) => candidate.override !== undefined);
        expect(list.mode).toBe(manual ? "manual" : "normal");
        const chosen = new Set(given.filter((candidate) => candidate.chosen).map(({ id }) => id));
        for (const { id, weight, baseWeight, override } of list.instances) {
          if (override !== undefined) expect(weight).toBe(override.weight);
          else if (manual) expect(weight).toBe(baseWeight);
          else expect(weight).toBeLessThanOrEqual(chosen.has(id) ? baseWeight : 0);
        }
      }),
    );
  });

  it("leaves an instance at least 1 as long as it is not down, and a down one nothing", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.double({ min: 0, max: 1, noNaN: true }), (weight, score) => {
        const given = {
          id: "a",
          name: "a",
          address: "10.0.0.1",
          port: 80,
          weight,
          metadata: {},
          score,
          chosen: true,
          override: undefined,
        };
        const [built] = buildServiceList(1, undefined, [given]).instances;
        if (score > 0) expect(built!.weight).toBeGreaterThanOrEqual(1);
        else expect(built!.weight).toBe(0);
      }),
    );
  });

  it("says the same as a copy of it, and something else after any change", () => {
    fc.assert(
      fc.property(candidates, candidates, (given, other) => {
        const list = buildServiceList(1, undefined, given);
        expect(sameServiceList(list, structuredClone({ ...list, version: 2 }))).toBe(true);
        const changed = buildServiceList(1, undefined, other);
        const alike = JSON.stringify(list) === JSON.stringify(changed);
        expect(sameServiceList(list, changed)).toBe(alike);
        expect(sameServiceList(changed, list)).toBe(alike);
      }),
    );
  });
});
