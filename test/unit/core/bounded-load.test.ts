import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hashText } from "../../../lua/core/hash.ts";
import { pickPeer } from "../../../lua/core/pick.ts";
import type { Load } from "../../../lua/core/pick-request.ts";
import type { Plan } from "../../../lua/core/plan.ts";
import { anyWeights, ownerOf, planOf, randoms, request } from "./fixtures.ts";

const FLOOR = 64;
const BOUND = 1.25;

const loadOf = (inFlight: number): Load => ({ inFlight, latencyMs: 0, measuredAtMs: 0 });

/** Requests of a few keys that begin and end; calls `began` after each beginning. */
function serve(plan: Plan, seed: number, steps: number, began: (peer: number, inFlight: readonly number[]) => void) {
  const random = randoms(seed);
  const inFlight = plan.ids.map(() => 0);
  const running: number[] = [];
  for (let step = 0; step < steps; step++) {
    if (running.length > 0 && random() < 0.2) {
      const [ended] = running.splice(Math.floor(random() * running.length), 1);
      inFlight[ended!]!--;
      continue;
    }
    const loads = inFlight.map(loadOf);
    const keyHash = hashText(`user-${Math.floor(random() ** 4 * 20)}`);
    const peer = pickPeer(plan, request({ keyHash, loads, totalInFlight: running.length }));
    expect(peer).toBeGreaterThanOrEqual(0);
    running.push(peer);
    inFlight[peer]!++;
    began(peer, inFlight);
  }
}

describe("bounded load", () => {
  it("never lets a peer have more than 1.25 times its fair part of the requests in flight, beyond the floor", () => {
    fc.assert(
      fc.property(anyWeights, fc.integer(), (weights, seed) => {
        const plan = planOf("consistent-hash", weights);
        serve(plan, seed, 1200, (peer, inFlight) => {
          const total = inFlight.reduce((sum, count) => sum + count, 0);
          const fair = (total * plan.weights[peer]!) / plan.totalWeight;
          expect(inFlight[peer]).toBeLessThanOrEqual(Math.max(FLOOR, Math.ceil(BOUND * fair)));
        });
      }),
      { numRuns: 30 },
    );
  });

  it("keeps every key with its owner as long as nobody has as much as the floor in flight", () => {
    const plan = planOf("consistent-hash", [60, 30, 10]);
    const loads = [63, 0, 63].map(loadOf);
    for (let i = 0; i < 500; i++) {
      const keyHash = hashText(`user-${i}`);
      expect(plan.ids[pickPeer(plan, request({ keyHash, loads, totalInFlight: 126 }))]).toBe(
        ownerOf(plan, `user-${i}`),
      );
    }
  });

  it("spreads one hot key over all peers by their weights", () => {
    const plan = planOf("consistent-hash", [100, 100, 200]);
    const inFlight = [0, 0, 0];
    for (let total = 0; total < 4000; total++) {
      const loads = inFlight.map(loadOf);
      inFlight[pickPeer(plan, request({ keyHash: hashText("everybody"), loads, totalInFlight: total }))]!++;
    }
    for (const [i, count] of inFlight.entries()) {
      expect(count).toBeLessThanOrEqual((BOUND * 4000 * plan.weights[i]!) / 400 + 1);
      expect(count).toBeGreaterThan(0.2 * 4000 * (plan.weights[i]! / 400));
    }
  });

  it("lets the owner take the request when all are full", () => {
    const plan = planOf("consistent-hash", [1, 1]);
    const loads = [900, 900].map(loadOf);
    const picked = pickPeer(plan, request({ keyHash: hashText("user-1"), loads, totalInFlight: 10 }));
    expect(plan.ids[picked]).toBe(ownerOf(plan, "user-1"));
  });
});
