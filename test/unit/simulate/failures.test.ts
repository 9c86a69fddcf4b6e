import { describe, expect, it } from "vitest";
import { ordinary, run, sumOf } from "./fixtures.ts";

const traffic = { servers: ordinary(5), perSecond: 1000, seconds: 20 };
const down = { atMs: 5000, server: 0, state: "refuses" as const, isAffected: true };
const back = { atMs: 12_000, server: 0, state: "serves" as const, isAffected: false };

describe.each(["adaptive", "round-robin"])("%s", (contender) => {
  it("a server that refuses connections costs retries, no request", () => {
    const { failed, retries, affected } = run({ contender, ...traffic, changes: [down] });
    expect(failed).toBe(0);
    expect(retries).toBeGreaterThan(0);
    // Ejected after three requests without an answer; then one of a router tries it at a time.
    expect(affected).toBeLessThan(20);
  });

  it("what a server has under way when it goes away is sent elsewhere", () => {
    const { failed, retries } = run({ contender, ...traffic, perSecond: 1900, changes: [down] });
    expect(failed).toBe(0);
    expect(retries).toBeGreaterThan(5);
  });

  it("a server that answers with errors is ejected, and its errors are passed on until then", () => {
    const { failed, affected } = run({ contender, ...traffic, changes: [{ ...down, state: "fails" }] });
    expect(failed).toBeGreaterThan(0);
    expect(failed).toBe(affected);
    expect(failed).toBeLessThan(60);
  });

  it("a server that is back is found by a request that tries it, and has its part again", () => {
    const without = run({ contender, ...traffic, changes: [down] });
    const { counts, failed } = run({ contender, ...traffic, changes: [down, back] });
    expect(failed).toBe(0);
    // At most ten seconds pass until it is tried: of the last eight at least some are left.
    expect(counts[0]! - without.counts[0]!).toBeGreaterThan(100);
  });
});

it("a request is not sent again to where it has failed", () => {
  // All go to the first one, which is never there.
  const { failed, retries } = run({ contender: "best", ...traffic, perSecond: 100, changes: [{ ...down, atMs: 0 }] });
  expect(failed).toBe(0);
  expect(retries).toBeGreaterThan(0);
});

it("when all refuse, requests fail after three tries, and the budget keeps retries within a fifth", () => {
  const changes = traffic.servers.map((_, server) => ({ ...down, server }));
  const { failed, retries, responseMs } = run({ contender: "round-robin", ...traffic, changes });
  expect(failed).toBeGreaterThan(14_000);
  expect(retries / (failed + responseMs.length)).toBeLessThan(0.25);
});

it("the oracle needs no failures to know who fails", () => {
  const { failed, affected } = run({ contender: "oracle", ...traffic, changes: [{ ...down, state: "fails" }] });
  expect([failed, affected]).toEqual([0, 0]);
});

it("a server that comes later takes part from then on, and not before", () => {
  const changes = [{ atMs: 10_000, server: 5, weight: 100 }];
  const { counts } = run({ contender: "adaptive", ...traffic, servers: [...ordinary(5), { weight: 0 }], changes });
  const part = counts[5]! / sumOf(counts);
  expect(part).toBeGreaterThan(0.5 * (1 / 12));
  expect(part).toBeLessThan(1.5 * (1 / 12));
});
