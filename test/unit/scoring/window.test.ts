import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createWindow, DECAY, meanOf, presenceOf, pushSlot } from "../../../cli/ipconfig/scoring/window.ts";

/** The definition, computed anew from all slots. */
function meanByDefinition(history: readonly number[], slots: number): number | undefined {
  let sum = 0;
  let weights = 0;
  for (let age = 0; age < Math.min(slots, history.length); age++) {
    const value = history[history.length - 1 - age]!;
    if (Number.isNaN(value)) continue;
    sum += value * DECAY ** age;
    weights += DECAY ** age;
  }
  return weights === 0 ? undefined : sum / weights;
}

describe("a sliding window", () => {
  const values = fc.array(fc.oneof(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.constant(Number.NaN)), {
    maxLength: 300,
  });

  test("is the weighted mean of its slots, however long it runs", () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 12 }), (history, slots) => {
        const window = createWindow(1, slots);
        for (const value of history) pushSlot(window, [value]);
        const expected = meanByDefinition(history, slots);
        const actual = meanOf(window, 0);
        if (expected === undefined) expect(actual).toBeUndefined();
        else expect(actual!).toBeCloseTo(expected, 3);
      }),
    );
  });

  test("weighs the newest slot most", () => {
    const window = createWindow(1, 5);
    for (const value of [1, 1, 1, 1, 0]) pushSlot(window, [value]);
    expect(meanOf(window, 0)).toBeLessThan(0.5);
  });

  test("knows how much of it is silence", () => {
    const window = createWindow(1, 5);
    expect(presenceOf(window, 0)).toBe(1);
    pushSlot(window, [Number.NaN]);
    expect(presenceOf(window, 0)).toBe(0);
    for (let slot = 0; slot < 5; slot++) pushSlot(window, [1]);
    expect(presenceOf(window, 0)).toBeCloseTo(1, 9);
    pushSlot(window, [Number.NaN]);
    expect(presenceOf(window, 0)).toBeLessThan(0.5);
  });
});
