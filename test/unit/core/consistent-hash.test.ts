import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { preparePlan } from "../../../lua/core/plan.ts";
import { anyWeight, anyWeights, countsOf, FRESH, listOf, ownerOf, planOf } from "./fixtures.ts";

const KEYS = Array.from({ length: 2000 }, (_, i) => `user-${i}`);
const SOME_KEYS = KEYS.slice(0, 60);

function owners(weights: readonly number[], keys = KEYS): (string | undefined)[] {
  const plan = planOf("consistent-hash", weights);
  return keys.map((key) => ownerOf(plan, key));
}

describe("consistent-hash", () => {
  it.each([2, 3, 4, 6, 11, 21, 40])("drains one of %i equal instances and moves its own keys only", (count) => {
    const before = owners(new Array<number>(count).fill(100));
    const after = owners(new Array<number>(count).fill(100).with(1, 0));
    for (const [i, owner] of before.entries()) {
      if (owner === "demo-2") expect(after[i]).not.toBe("demo-2");
      else expect(after[i]).toBe(owner);
    }
    expect(before).toContain("demo-2");
  });

  it("moves only keys of the instance that is taken off, whatever the weights", () => {
    fc.assert(
      fc.property(anyWeights, fc.nat(), (weights, choice) => {
        const gone = choice % weights.length;
        const before = owners(weights, SOME_KEYS);
        const after = owners(weights.with(gone, 0), SOME_KEYS);
        for (const [i, owner] of before.entries()) {
          if (owner !== `demo-${gone + 1}`) expect(after[i]).toBe(owner);
        }
      }),
    );
  });

  it("moves keys only to the instance whose weight is raised", () => {
    fc.assert(
      fc.property(anyWeights, fc.nat(), anyWeight, (weights, choice, more) => {
        const raised = choice % weights.length;
        const before = owners(weights, SOME_KEYS);
        const after = owners(weights.with(raised, weights[raised]! + more), SOME_KEYS);
        for (const [i, owner] of after.entries()) {
          if (owner !== `demo-${raised + 1}`) expect(owner).toBe(before[i]);
        }
      }),
    );
  });

  it("moves a few keys when weights move a little, also where the sum of the weights passes a power of two", () => {
    const before = owners([85, 86, 86]);
    const after = owners([85, 86, 84]);
    const moved = before.filter((owner, i) => owner !== after[i]).length;
    expect(moved / KEYS.length).toBeLessThan(0.03);
  });

  it("moves no key when scores move, but those of an instance that goes down", () => {
    const list = listOf("consistent-hash", [100, 100, 100]);
    const scored = (weights: readonly number[]) =>
      preparePlan(
        { ...list, instances: list.instances.map((each, i) => ({ ...each, weight: weights[i]! })) },
        FRESH,
        0,
      );
    const before = owners([100, 100, 100]);
    const moved = scored([100, 37, 1]);
    expect(KEYS.map((key) => ownerOf(moved, key))).toEqual(before);
    const down = scored([100, 0, 100]);
    for (const [i, owner] of before.entries()) {
      if (owner === "demo-2") expect(ownerOf(down, KEYS[i]!)).not.toBe("demo-2");
      else expect(ownerOf(down, KEYS[i]!)).toBe(owner);
    }
  });

  it("does not depend on the order of the list", () => {
    fc.assert(
      fc.property(anyWeights, (weights) => {
        const list = listOf("consistent-hash", weights);
        const plan = preparePlan(list, FRESH, 0);
        const reversed = preparePlan({ ...list, instances: list.instances.toReversed() }, FRESH, 0);
        for (const key of SOME_KEYS) expect(ownerOf(reversed, key)).toBe(ownerOf(plan, key));
      }),
    );
  });

  it("gives 60, 30 and 10 their shares of the keys within three points", () => {
    const keys = Array.from({ length: 50_000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
    const counts = countsOf(owners([60, 30, 10], keys));
    for (const [id, weight] of [
      ["demo-1", 60],
      ["demo-2", 30],
      ["demo-3", 10],
    ] as const) {
      expect(Math.abs((counts.get(id)! / keys.length) * 100 - weight), id).toBeLessThan(3);
    }
  });

  it("gives each of 20 equal instances its share within a fifth, with weights of 1 as with weights of 1000", () => {
    for (const weight of [1, 1000]) {
      const keys = Array.from({ length: 60_000 }, (_, i) => `user-${i}`);
      const counts = countsOf(owners(new Array<number>(20).fill(weight), keys));
      for (const count of counts.values()) expect(Math.abs(count / 3000 - 1)).toBeLessThan(0.2);
      expect(counts.size).toBe(20);
    }
  });

  it("takes keys of any bytes", () => {
    const plan = planOf("consistent-hash", [1, 1, 1]);
    for (const key of ["", "\u0000", "\u00ff".repeat(1000), "__proto__"])
      expect(plan.ids).toContain(ownerOf(plan, key));
  });
});
