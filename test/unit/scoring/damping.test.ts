import { describe, expect, test } from "vitest";
import { type Damped, damp, FLOOR } from "../../../cli/ipconfig/scoring/damping.ts";

/** A value after each interval. */
function follow(from: number, scores: readonly number[]): number[] {
  const value: Damped = { damped: from, isFalling: false };
  return scores.map((score) => {
    damp(value, score);
    return Math.round(value.damped * 1000) / 1000;
  });
}

const times = (count: number, score: number): number[] => Array.from({ length: count }, () => score);

describe("a weight follows its score", () => {
  test("a tenth of the way down in an interval, a fifth of the way up", () => {
    expect(follow(0.8, [0.5, 0.5])).toEqual([0.77, 0.743]);
    expect(follow(0.3, [0.5, 0.5])).toEqual([0.34, 0.372]);
  });

  test("up by a tenth at most", () => {
    expect(follow(FLOOR, times(3, 1))).toEqual([0.15, 0.25, 0.35]);
  });

  test("not at all where they are close", () => {
    expect(follow(1, [0.94, 0.935])).toEqual([1, 1]);
    expect(follow(0.4, [0.42, 0.38])).toEqual([0.4, 0.4]);
  });

  test("at once, by half at most, where it falls far, until it is there", () => {
    expect(follow(1, times(4, 0.3))).toEqual([0.5, 0.3, 0.3, 0.3]);
    // As a window tells of a fault: more of it each second.
    expect(follow(1, [0.55, 0.3, 0.22])).toEqual([0.55, 0.3, 0.292]);
  });

  test("slowly again once it was there", () => {
    expect(follow(1, [0.5, 0.5, 0.2])).toEqual([0.5, 0.5, 0.47]);
  });

  test("never below the floor", () => {
    expect(follow(1, times(4, 0)).at(-1)).toBe(FLOOR);
  });
});
