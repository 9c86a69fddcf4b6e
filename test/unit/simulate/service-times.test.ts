import { describe, expect, it } from "vitest";
import { quantile } from "../../../cli/simulate/figures.ts";
import { createRandom } from "../../../cli/simulate/random.ts";
import { exponentialTimes, lognormalTimes, recordedTimes } from "../../../cli/simulate/service-times.ts";
import { parseRecorded } from "../../../cli/simulate/settings.ts";
import { meanOf } from "./fixtures.ts";

function drawMany(times: ReturnType<typeof exponentialTimes>, seed = 3): number[] {
  const random = createRandom(seed);
  return Array.from({ length: 100_000 }, () => times.draw(random)).sort((a, b) => a - b);
}

describe("service times, as multiples of their mean", () => {
  it("exponential: the mean is 1, one of a hundred is above ln 100", () => {
    const drawn = drawMany(exponentialTimes(25));
    expect(meanOf(drawn)).toBeCloseTo(1, 1);
    expect(quantile(drawn, 0.99)).toBeCloseTo(Math.log(100), 0);
  });

  it("lognormal: the mean is 1, the median e^(-1/2)", () => {
    const drawn = drawMany(lognormalTimes(25));
    expect(meanOf(drawn)).toBeCloseTo(1, 1);
    expect(quantile(drawn, 0.5)).toBeCloseTo(Math.exp(-0.5), 1);
  });

  it("recorded: only what was recorded, each as often as it was", () => {
    const times = recordedTimes([10, 10, 40]);
    expect(times.meanMs).toBe(20);
    const drawn = drawMany(times);
    expect([...new Set(drawn)]).toEqual([0.5, 2]);
    expect(drawn.filter((size) => size === 2).length / drawn.length).toBeCloseTo(1 / 3, 2);
  });
});

describe("a file of recorded times", () => {
  it("has a number in each line; empty ones do not count", () => {
    const read = parseRecorded("12\n3.5\r\n\n 40 \n", "times.txt");
    expect(read).toEqual({ kind: "recorded", milliseconds: [12, 3.5, 40] });
  });

  it.each([
    ["12\nfast\n", "times.txt:2: it must be a number of milliseconds"],
    ["12\n-1\n", "times.txt:2:"],
    ["Infinity\n", "times.txt:1:"],
    ["", "times.txt: it has no time above 0"],
    ["0\n0\n", "times.txt: it has no time above 0"],
  ])("%j is refused with the line that is wrong", (text, says) => {
    expect(() => parseRecorded(text, "times.txt")).toThrow(says);
  });
});
