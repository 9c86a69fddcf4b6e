import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { drawAlias } from "../../../lua/core/alias-table.ts";
import { nextLatency } from "../../../lua/core/latency.ts";
import { nextRandom } from "../../../lua/core/least-loaded.ts";
import { pickPeer } from "../../../lua/core/pick.ts";
import type { Load } from "../../../lua/core/pick-request.ts";
import type { Plan } from "../../../lua/core/plan.ts";
import { anyWeight, anyWeights, NOW_MS, planOf, randoms, request } from "./fixtures.ts";
import { simulateServers } from "./simulation.ts";

const sumOf = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);
const equal = (count: number) => new Array<number>(count).fill(100);
const loadOf = (inFlight: number, latencyMs = 20): Load => ({ inFlight, latencyMs, measuredAtMs: NOW_MS });
const idle = (count: number) => equal(count).map(() => loadOf(0));

/** How often each peer is picked. */
function countPicks(plan: Plan, picks: number, loads: readonly Load[], seed = 7, nowMs = NOW_MS): number[] {
  const random = randoms(seed);
  const counts = plan.ids.map(() => 0);
  for (let i = 0; i < picks; i++) counts[pickPeer(plan, request({ random: random(), loads, nowMs }))]!++;
  return counts;
}

/** Requests that begin and do not end: how many each peer has in the end. */
function fill(plan: Plan, requests: number, seed: number): number[] {
  const random = randoms(seed);
  const loads = plan.ids.map(() => ({ ...loadOf(0) }));
  for (let i = 0; i < requests; i++) {
    const peer = pickPeer(plan, request({ random: random(), loads, nowMs: NOW_MS }));
    loads[peer] = loadOf(loads[peer]!.inFlight + 1);
  }
  return loads.map(({ inFlight }) => inFlight);
}

/** What each server was given, in relation to its part of the weight. */
function partsOfFair(counts: readonly number[], weights: readonly number[]): number[] {
  return counts.map((count, i) => count / sumOf(counts) / (weights[i]! / sumOf(weights)));
}

describe.each(["adaptive", "least-request"] as const)("%s", (algorithm) => {
  it.each([
    { who: "4 equal peers", weights: equal(4) },
    { who: "60, 30 and 10", weights: [60, 30, 10] },
    { who: "1000 and 1", weights: [1000, 1] },
    { who: "6 peers", weights: [7, 11, 13, 17, 19, 23] },
    { who: "32 peers, one of them heavy,", weights: [...equal(31), 900] },
    { who: "33 peers, one of them heavy,", weights: [...equal(32), 900] },
  ])("gives $who their shares of 100,000 draws within a point while nothing is in flight", ({ weights }) => {
    const counts = countPicks(planOf(algorithm, weights), 100_000, idle(weights.length));
    for (const [i, weight] of weights.entries()) {
      const share = counts[i]! / 100_000;
      expect(Math.abs(share - weight / sumOf(weights)), `demo-${i + 1} has ${share}`).toBeLessThan(0.01);
    }
  });

  it("keeps requests in flight in proportion to the weights", () => {
    fc.assert(
      fc.property(anyWeights, fc.nat(400), fc.integer(), (weights, requests, seed) => {
        const inFlight = fill(planOf(algorithm, weights), requests, seed);
        // As full as the emptiest would be with one more, give or take the tie and a request.
        const emptiest = Math.min(...inFlight.map((count, i) => (count + 1) / weights[i]!));
        for (const [i, count] of inFlight.entries()) {
          expect(count).toBeLessThanOrEqual(1 + 1.03 * emptiest * weights[i]! + 1e-9);
        }
      }),
    );
  });

  it("keeps requests in flight about equal among 200 peers, of which it looks at five", () => {
    const inFlight = fill(planOf(algorithm, equal(200)), 10_000, 5);
    expect(Math.max(...inFlight)).toBeLessThan(60);
    expect(Math.min(...inFlight)).toBeGreaterThan(35);
  });

  it("finds the one of 32 that has nothing in flight", () => {
    const plan = planOf(algorithm, equal(32));
    for (let free = 0; free < 32; free++) {
      const loads = equal(32).map((_, i) => loadOf(i === free ? 0 : 1));
      expect(countPicks(plan, 50, loads)[free]).toBe(50);
    }
  });

  it("gives what a busy peer does not take to the others by weight", () => {
    const weights = [500, 60, 30, 10];
    const loads = weights.map((weight, i) => loadOf(i === 0 ? 1000 : weight - 1));
    const counts = countPicks(planOf(algorithm, weights), 100_000, loads);
    expect(counts[0]).toBe(0);
    for (const [i, weight] of weights.entries()) {
      if (i > 0) expect(Math.abs(counts[i]! / 100_000 - weight / 100), `demo-${i + 1}`).toBeLessThan(0.01);
    }
  });

  it("takes one of the best of five drawn from more than 32", () => {
    fc.assert(
      fc.property(fc.integer({ min: 33, max: 1000 }), fc.integer(), (count, seed) => {
        const random = randoms(seed);
        const plan = planOf(
          algorithm,
          equal(count).map((weight) => weight + Math.floor(random() * 4)),
        );
        const loads = equal(count).map(() => loadOf(1 + Math.floor(random() * 5)));
        const first = random();
        const drawn: number[] = [];
        for (let at = first; drawn.length < 5; at = nextRandom(at)) drawn.push(drawAlias(plan.aliasTable!, at));
        const picked = pickPeer(plan, request({ random: first, loads, nowMs: NOW_MS }));
        expect(drawn).toContain(picked);
        const costs = drawn.map((peer) => (loads[peer]!.inFlight + 1) / plan.weights[peer]!);
        expect(costs[drawn.indexOf(picked)]).toBeLessThanOrEqual(1.03 * Math.min(...costs) + 1e-9);
      }),
    );
  });

  it("draws by weight among 1,000 peers while nothing is in flight", () => {
    const weights = equal(1000).map((_, i) => (i % 100 === 0 ? 901 : 1));
    const counts = countPicks(planOf(algorithm, weights), 100_000, idle(1000));
    const heavy = sumOf(counts.filter((_, i) => i % 100 === 0)) / 100_000;
    expect(Math.abs(heavy - 9010 / 10_000)).toBeLessThan(0.01);
    expect(counts.filter((count) => count === 0).length).toBeLessThan(50);
  });

  it("gives a canary of weight 1 about its part, not one of two, however much is in flight at the other", () => {
    for (const inFlight of [0, 1, 3, 10]) {
      const [, canary] = countPicks(planOf(algorithm, [99, 1]), 20_000, [loadOf(inFlight), loadOf(0)]);
      expect(canary! / 20_000, `${inFlight} in flight`).toBeLessThan(0.015);
      expect(canary! / 20_000, `${inFlight} in flight`).toBeGreaterThan(0.005);
    }
  });

  const anyNumber = fc.oneof(fc.double({ min: 0, max: 1e4, noNaN: true }), fc.constantFrom(0, -1, 1e12));
  const anyLoad = fc.record({ inFlight: fc.nat(20), latencyMs: anyNumber, measuredAtMs: anyNumber });
  // Some around the limit of 32, and some of them of weight 0.
  const anyPeers = fc.array(fc.tuple(fc.oneof(anyWeight, fc.constant(0)), anyLoad, fc.boolean()), { maxLength: 60 });

  it("finds a peer that was not tried while there is one, and none of weight 0, whatever was measured", () => {
    fc.assert(
      fc.property(anyPeers, fc.integer(), anyNumber, (peers, seed, nowMs) => {
        const plan = planOf(
          algorithm,
          peers.map(([weight]) => weight),
        );
        const serving = plan.places.map((place) => peers[place]!);
        const tried = serving.flatMap(([, , wasTried], i) => (wasTried ? [i] : []));
        const loads = serving.map(([, load]) => load);
        const random = randoms(seed);
        for (let i = 0; i < 10; i++) {
          const peer = pickPeer(plan, request({ random: random(), tried, loads, nowMs }));
          if (tried.length === serving.length) expect(peer).toBe(-1);
          else {
            expect(serving[peer]?.[0]).toBeGreaterThan(0);
            expect(tried).not.toContain(peer);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("least-request", () => {
  it("does not go by latency", () => {
    const counts = countPicks(planOf("least-request", [1, 1]), 20_000, [loadOf(0, 5000), loadOf(0, 5)]);
    expect(Math.abs(counts[0]! / 20_000 - 0.5)).toBeLessThan(0.02);
  });
});

describe("adaptive", () => {
  it("goes by latency, to the power of 1.5, times requests in flight", () => {
    const plan = planOf("adaptive", [1, 1]);
    expect(countPicks(plan, 100, [loadOf(0, 40), loadOf(2, 10)])).toEqual([0, 100]);
    expect(countPicks(plan, 100, [loadOf(0, 40), loadOf(6, 10)])).toEqual([0, 100]);
    expect(countPicks(plan, 100, [loadOf(0, 40), loadOf(8, 10)])).toEqual([100, 0]);
  });

  it("takes latencies within the clock's noise for equal", () => {
    const counts = countPicks(planOf("adaptive", [1, 1]), 20_000, [loadOf(0, 1), loadOf(0, 4)]);
    expect(Math.abs(counts[0]! / 20_000 - 0.5)).toBeLessThan(0.02);
  });

  it("does not prefer a peer whose connections are refused, which fail in no time but count as slow", () => {
    const plan = planOf("adaptive", equal(3));
    const refused = { ...loadOf(0), latencyMs: nextLatency(20, NOW_MS, 1000, NOW_MS) };
    for (const inFlight of [0, 1, 5, 20]) {
      expect(countPicks(plan, 1000, [refused, loadOf(inFlight), loadOf(inFlight)])[0]).toBe(0);
    }
  });

  it.each([5, 20, 200])("tries a peer again within half a minute of a failure where others take %i ms", (latencyMs) => {
    const plan = planOf("adaptive", equal(3));
    const random = randoms(4);
    const failed = loadOf(0, 1000);
    let againMs = 0;
    for (let elapsedMs = 0; againMs === 0 && elapsedMs <= 60_000; elapsedMs += 50) {
      const nowMs = NOW_MS + elapsedMs;
      const others = [0, 0].map(() => ({ inFlight: 0, latencyMs: latencyMs * (1 + random()), measuredAtMs: nowMs }));
      if (pickPeer(plan, request({ random: random(), loads: [failed, ...others], nowMs })) === 0) againMs = elapsedMs;
    }
    expect(againMs).toBeGreaterThan(2000);
    expect(againMs).toBeLessThan(30_000);
  });

  it.each([3, 40])("heaps no requests on one of %i peers because it has not answered for long", (count) => {
    const nowMs = NOW_MS + 60_000;
    const loads = equal(count).map(() => ({ inFlight: 2, latencyMs: 500, measuredAtMs: nowMs }));
    loads[0] = { inFlight: 3, latencyMs: 500, measuredAtMs: NOW_MS };
    expect(countPicks(planOf("adaptive", equal(count)), 1000, loads, 7, nowMs)[0]).toBe(0);
  });

  it("lets a light peer keep its part while it is fast, though the heavy one has nothing in flight", () => {
    const plan = planOf("adaptive", [99, 1]);
    expect(countPicks(plan, 20_000, [loadOf(0, 100), loadOf(1, 50)])[1]).toBeGreaterThan(100);
    expect(countPicks(plan, 20_000, [loadOf(0, 100), loadOf(2, 50)])[1]).toBe(0);
  });

  it("starts a peer that was never measured as the fastest of the others", () => {
    const plan = planOf("adaptive", [1, 1]);
    const counts = countPicks(plan, 20_000, [loadOf(0, 0), loadOf(0, 80)]);
    expect(Math.abs(counts[0]! / 20_000 - 0.5)).toBeLessThan(0.02);
    expect(countPicks(plan, 100, [loadOf(1, 0), loadOf(0, 80)])).toEqual([0, 100]);
  });
});

describe("adaptive, simulated", () => {
  it.each([0.05, 0.3, 0.7])("gives a peer ten times slower at most 0.3 of its part at a load of %d", (load) => {
    const servers = [100, 10, 10, 10, 10].map((meanMs) => ({ meanMs }));
    const traffic = { workers: 4, requestsPerSecond: load * 4 * 400, requests: 20_000 };
    const { counts } = simulateServers("adaptive", servers, traffic);
    expect(partsOfFair(counts, equal(5))[0]).toBeLessThan(0.3);
    // Not none at all: it is tried now and then.
    expect(counts[0]).toBeGreaterThan(0);
  });

  it("gives a peer its part again within half a minute of its recovery", () => {
    const servers = [300, 10, 10, 10].map((meanMs) => ({ meanMs }));
    const recovery = { atMs: 20_000, server: 0, meanMs: 10 };
    const traffic = { workers: 4, requestsPerSecond: 400 };
    const during = simulateServers("adaptive", servers, { ...traffic, requests: 20 * 400 }, [recovery]);
    const after = simulateServers("adaptive", servers, { ...traffic, requests: 90 * 400, warmUp: 50 * 400 }, [
      recovery,
    ]);
    expect(partsOfFair(during.counts, equal(4))[0]).toBeLessThan(0.3);
    expect(partsOfFair(after.counts, equal(4))[0]).toBeGreaterThan(0.8);
  });

  it.each([
    { who: "99 and 1", weights: [99, 1], least: 0.7, most: 1.3 },
    { who: "75 and 25", weights: [75, 25], least: 0.8, most: 1.2 },
    { who: "300 and thrice 100", weights: [300, 100, 100, 100], least: 0.8, most: 1.25 },
    { who: "nine times 100 and 10", weights: [...equal(9), 10], least: 0.6, most: 1.4 },
  ])("gives weights of $who their parts where all are equally fast, though latencies differ by chance", (given) => {
    const { weights, least, most } = given;
    const servers = weights.map((weight) => ({ weight, slots: 1000, meanMs: 10 }));
    for (const inFlightPerWorker of [0.2, 1, 4]) {
      const traffic = { workers: 4, requestsPerSecond: (inFlightPerWorker * 4 * 1000) / 10, requests: 40_000 };
      const { counts } = simulateServers("adaptive", servers, traffic);
      for (const part of partsOfFair(counts, weights)) {
        expect(part, `${inFlightPerWorker} in flight`).toBeGreaterThan(least);
        expect(part, `${inFlightPerWorker} in flight`).toBeLessThan(most);
      }
    }
  });

  it("does not heap requests on slow peers where every answer takes a second", () => {
    const servers = equal(10).map((_, i) => ({ meanMs: i % 2 === 0 ? 1000 : 2000 }));
    const traffic = { requestsPerSecond: 0.75 * (5 * 4 + 5 * 2), requests: 20_000 };
    const { responseMs } = simulateServers("adaptive", servers, traffic);
    expect(Math.max(...responseMs)).toBeLessThan(40_000);
  });
});
