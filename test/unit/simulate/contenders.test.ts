import { describe, expect, it } from "vitest";
import { CONTENDERS } from "../../../cli/simulate/contenders.ts";
import { figuresOf } from "../../../cli/simulate/figures.ts";
import { ordinary, partsOfMean, run } from "./fixtures.ts";

const traffic = { perSecond: 1200, seconds: 10 };
const others = CONTENDERS.map(({ name }) => name).filter((name) => name !== "best");

describe.each(others)("%s", (contender) => {
  it("sends equal servers about as much each", () => {
    for (const part of partsOfMean(run({ contender, servers: ordinary(4), ...traffic }))) {
      expect(part).toBeGreaterThan(0.8);
      expect(part).toBeLessThan(1.2);
    }
  });
});

it("best sends all to one", () => {
  expect(Math.max(...partsOfMean(run({ contender: "best", servers: ordinary(4), ...traffic })))).toBe(4);
});

it.each([
  "weighted-random",
  "round-robin",
  "two-choices",
  "least-conn",
  "adaptive",
])("%s goes by weight", (contender) => {
  const servers = [{ weight: 300, slots: 100 }, { slots: 100 }];
  const [heavy, light] = run({ contender, servers, ...traffic, perSecond: 4000 }).counts;
  expect(heavy! / light!).toBeGreaterThan(2);
  expect(heavy! / light!).toBeLessThan(4);
});

describe("one of five servers takes ten times as long", () => {
  const servers = [{ meanMs: 100 }, ...ordinary(4)];
  const part = (contender: string): number => partsOfMean(run({ contender, servers, ...traffic }))[0]!;

  it("the oracle hardly sends it any, nor does adaptive", () => {
    expect(part("oracle")).toBeLessThan(0.02);
    expect(part("adaptive")).toBeLessThan(0.1);
  });

  it("counting requests in flight is better than not to look, and worse than adaptive", () => {
    for (const contender of ["least-conn", "two-choices", "least-request"]) {
      expect(part(contender), contender).toBeLessThan(0.5);
      expect(part(contender), contender).toBeGreaterThan(part("adaptive"));
    }
    expect(part("round-robin")).toBeCloseTo(1, 1);
  });
});

it("fewer routers know more: of four in the place of sixteen each sees four times as much", () => {
  const p99 = (workers: number): number =>
    figuresOf(run({ contender: "least-conn", servers: ordinary(10), perSecond: 3200, seconds: 20, workers })).p99Ms;
  expect(p99(1)).toBeLessThan(p99(4));
  expect(p99(4)).toBeLessThan(p99(32));
});
