import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildRoundRobin, nextInTurn } from "../../../lua/core/round-robin.ts";
import { pickId, planOf } from "./fixtures.ts";

const smallWeights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 });
const anyStart = fc.integer({ min: 0, max: 999 }).map((part) => part / 1000);

function turns(weights: readonly number[], start: number, count: number): number[] {
  const order = buildRoundRobin(weights, start);
  return Array.from({ length: count }, () => nextInTurn(order));
}

function occurrences(picks: readonly number[], peers: number): number[] {
  const counts = new Array<number>(peers).fill(0);
  for (const pick of picks) counts[pick]!++;
  return counts;
}

describe("round-robin", () => {
  it("gives every peer as many turns as its weight, period after period", () => {
    fc.assert(
      fc.property(smallWeights, anyStart, (weights, start) => {
        const period = weights.reduce((sum, weight) => sum + weight, 0);
        const picks = turns(weights, start, 5 * period);
        for (let from = 0; from < picks.length; from += period) {
          expect(occurrences(picks.slice(from, from + period), weights.length)).toEqual(weights);
        }
      }),
    );
  });

  it("is smooth: wherever one begins to count, a period has each peer as often as its weight, give or take one", () => {
    fc.assert(
      fc.property(smallWeights, anyStart, (weights, start) => {
        const period = weights.reduce((sum, weight) => sum + weight, 0);
        const picks = turns(weights, start, 3 * period);
        for (let from = 0; from <= 2 * period; from++) {
          const counts = occurrences(picks.slice(from, from + period), weights.length);
          for (const [i, count] of counts.entries()) expect(Math.abs(count - weights[i]!)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it("does not send a heavy peer's turns in a row", () => {
    const picks = turns([50, 50, 100], 0.4, 2000);
    for (let i = 2; i < picks.length; i++) expect(new Set(picks.slice(i - 2, i + 1)).size).toBeGreaterThan(1);
  });

  it("keeps to the weights after a million turns", () => {
    const order = buildRoundRobin([97, 89, 3], 0.2);
    for (let i = 0; i < 1_000_000; i++) nextInTurn(order);
    const counts = occurrences(
      Array.from({ length: 189 }, () => nextInTurn(order)),
      3,
    );
    for (const [i, weight] of [97, 89, 3].entries()) expect(Math.abs(counts[i]! - weight)).toBeLessThanOrEqual(1);
  });

  it("begins with a different peer for workers that begin at different places", () => {
    const weights = new Array<number>(8).fill(100);
    const first = weights.map((_, i) => turns(weights, i / 8, 1)[0]);
    expect(first).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it("goes through equal peers one after the other, and leaves out those of weight 0", () => {
    const plan = planOf("round-robin", [7, 0, 7, 7]);
    const picks = Array.from({ length: 6 }, () => pickId(plan));
    expect(picks).toEqual(["demo-1", "demo-3", "demo-4", "demo-1", "demo-3", "demo-4"]);
  });
});
