import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildAliasTable } from "../../../lua/core/alias-table.ts";
import { anyWeights, countsOf, pickId, planOf, randoms, weightsWithZeros } from "./fixtures.ts";

describe("weighted-random", () => {
  it.each([
    [[60, 30, 10]],
    [[1, 1, 1, 1]],
    [[1000, 1]],
    [[5, 0, 95]],
    [[7, 11, 13, 17, 19, 23]],
  ])("gives %j their shares of 100,000 draws within a point", (weights) => {
    const plan = planOf("weighted-random", weights);
    const random = randoms(7);
    const counts = countsOf(Array.from({ length: 100_000 }, () => pickId(plan, { random: random() })));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    for (const [i, weight] of weights.entries()) {
      const share = (counts.get(`demo-${i + 1}`) ?? 0) / 100_000;
      expect(Math.abs(share - weight / sum), `demo-${i + 1} has ${share}`).toBeLessThan(0.01);
    }
  });

  it("never draws a peer of weight 0", () => {
    fc.assert(
      fc.property(weightsWithZeros, fc.integer(), (weights, seed) => {
        const plan = planOf("weighted-random", weights);
        const random = randoms(seed);
        for (let i = 0; i < 50; i++) {
          const id = pickId(plan, { random: random() });
          if (id === undefined) expect(weights.every((weight) => weight === 0)).toBe(true);
          else expect(weights[Number(id.slice("demo-".length)) - 1]).toBeGreaterThan(0);
        }
      }),
    );
  });

  it("divides the whole line among the peers exactly by weight", () => {
    fc.assert(
      fc.property(anyWeights, (weights) => {
        const { columns } = buildAliasTable(weights);
        const parts = weights.map(() => 0);
        for (const [column, entry] of columns.entries()) {
          const alias = Math.floor(entry);
          parts[column]! += (entry - alias) / weights.length;
          parts[alias]! += (1 - (entry - alias)) / weights.length;
        }
        const sum = weights.reduce((total, weight) => total + weight, 0);
        for (const [i, weight] of weights.entries()) expect(parts[i]).toBeCloseTo(weight / sum, 8);
      }),
    );
  });

  it("sends the retries of a peer's requests to the others by their weights", () => {
    const plan = planOf("weighted-random", [50, 40, 10]);
    const random = randoms(11);
    const counts = countsOf(Array.from({ length: 100_000 }, () => pickId(plan, { random: random(), tried: [0] })));
    expect(counts.get("demo-1")).toBeUndefined();
    expect(Math.abs(counts.get("demo-2")! / 100_000 - 0.8)).toBeLessThan(0.01);
  });
});
