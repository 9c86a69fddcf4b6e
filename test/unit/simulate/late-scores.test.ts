import { describe, expect, it } from "vitest";
import { figuresOf } from "../../../cli/simulate/figures.ts";
import { ordinary, partsOfMean, run } from "./fixtures.ts";

describe("weights that follow scores", () => {
  const slow = { servers: [{ meanMs: 40 }, ...ordinary(4)], contender: "weighted-random", perSecond: 600, seconds: 30 };

  it("take traffic from a slow server, which weights alone do not", () => {
    expect(partsOfMean(run(slow))[0]).toBeGreaterThan(0.9);
    expect(partsOfMean(run({ ...slow, scoreLagMs: 200 }))[0]).toBeLessThan(0.75);
  });

  it("do so later when they are late", () => {
    const inTime = run({ ...slow, seconds: 12, scoreLagMs: 0 });
    const late = run({ ...slow, seconds: 12, scoreLagMs: 10_000 });
    expect(partsOfMean(late)[0]).toBeGreaterThan(partsOfMean(inTime)[0]! + 0.1);
  });

  it("leave a server without traffic that says it is down", () => {
    const changes = [{ atMs: 2000, server: 1, state: "refuses" as const, isAffected: true }];
    const { failed, affected } = run({ ...slow, contender: "round-robin", changes, scoreLagMs: 0 });
    expect(failed).toBe(0);
    expect(affected).toBeLessThan(20);
  });

  it("do not oscillate at equal servers that are busy, though they are late", () => {
    const equal = { ...slow, servers: ordinary(5), perSecond: 1500 };
    const p99 = (scoreLagMs: number | undefined): number =>
      figuresOf(run({ ...equal, ...(scoreLagMs === undefined ? {} : { scoreLagMs }) })).p99Ms;
    for (const scoreLagMs of [0, 1000, 3000]) expect(p99(scoreLagMs)).toBeLessThan(1.25 * p99(undefined));
  });
});
