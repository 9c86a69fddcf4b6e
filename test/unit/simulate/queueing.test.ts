import { describe, expect, it } from "vitest";
import { figuresOf } from "../../../cli/simulate/figures.ts";
import { meanOf, ordinary, run } from "./fixtures.ts";

/** Erlang's C: the part of the requests that have to wait, in an M/M/c queue that is offered so many at a time. */
function waitingPart(slots: number, offered: number): number {
  let term = 1;
  let sum = 1;
  for (let busy = 1; busy < slots; busy++) {
    term *= offered / busy;
    sum += term;
  }
  const all = ((term * offered) / slots) * (slots / (slots - offered));
  return all / (sum + all);
}

describe("what queueing theory knows", () => {
  it.each([
    { slots: 1, load: 0.7 },
    { slots: 4, load: 0.75 },
    { slots: 16, load: 0.9 },
  ])("one server with $slots slots at a load of $load is an M/M/c queue", ({ slots, load }) => {
    const perSecond = (load * slots * 1000) / 10;
    const seconds = 200_000 / perSecond;
    const { responseMs } = run({ contender: "round-robin", servers: [{ slots }], perSecond, seconds });
    const expectedMs = 10 + (waitingPart(slots, load * slots) * 10) / (slots - load * slots);
    expect(Math.abs(meanOf(responseMs) / expectedMs - 1)).toBeLessThan(0.05);
  });

  it("with all knowledge hardly anybody waits in 20 servers of four slots: their times are those of the service", () => {
    const outcome = run({ contender: "oracle", servers: ordinary(20), perSecond: 6000, seconds: 12, warmUpSeconds: 1 });
    const { p50Ms, p99Ms } = figuresOf(outcome);
    expect(Math.abs(p50Ms / (10 * Math.log(2)) - 1)).toBeLessThan(0.05);
    expect(Math.abs(p99Ms / (10 * Math.log(100)) - 1)).toBeLessThan(0.05);
  });

  it("every request is answered once, and as many come as should", () => {
    const outcome = run({ contender: "adaptive", servers: ordinary(3), perSecond: 900, seconds: 50 });
    expect(outcome.failed).toBe(0);
    expect(outcome.responseMs.length).toBe(outcome.counts.reduce((sum, count) => sum + count, 0));
    expect(Math.abs(outcome.responseMs.length / 45_000 - 1)).toBeLessThan(0.02);
  });
});

describe("chance", () => {
  const given = { contender: "adaptive", servers: ordinary(5), perSecond: 1200, seconds: 5 };

  it("is the same for the same seed", () => {
    expect(run(given)).toEqual(run(given));
  });

  it("is another one for another seed", () => {
    expect(run({ ...given, seed: 2 }).responseMs).not.toEqual(run(given).responseMs);
  });

  it("brings all contenders the same requests", () => {
    const servers = [{ slots: 10_000 }];
    const [one, other] = ["weighted-random", "least-conn"].map((contender) => run({ ...given, contender, servers }));
    // One server without a line: what a request takes is its size.
    expect(one!.responseMs).toEqual(other!.responseMs);
  });
});
