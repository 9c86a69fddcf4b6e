import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { preparePlan, type Situation, validUntil, weightsInForce } from "../../../lua/core/plan.ts";
import type { Peer, ServiceList } from "../../../lua/core/types.ts";
import { FALLBACK_HALF_LIFE_MS, fallbackStep, fallbackWeight, modeOf } from "../../../lua/core/weights.ts";
import { EVERY_ALGORITHM, listOf, NOW_MS, override, peer, policyOf } from "./fixtures.ts";

// Often the same, since an override may be what the base weight is.
const weight = fc.oneof(fc.integer({ min: 0, max: 1000 }), { arbitrary: fc.constant(100), weight: 3 });
const score = fc.constantFrom(0, 0.25, 0.5, 1);
const anyPeer: fc.Arbitrary<Peer> = fc
  .tuple(weight, weight, score, fc.option(fc.tuple(weight, fc.option(fc.integer({ min: -90_000, max: 90_000 })))))
  .map(([baseWeight, listed, score, by]) => {
    if (by === null) return peer({ baseWeight, weight: listed, score });
    const [typed, ends] = by;
    const { expiresAt: _, ...endless } = override({ weight: typed });
    const live = ends === null ? endless : { ...endless, expiresAt: NOW_MS + ends };
    return peer({ baseWeight, weight: typed, score, override: live });
  });

function inFallback(nowMs: number, listAgeMs: number): Situation {
  return { mode: "fallback", nowMs, listAgeMs };
}

function weightAt(subject: Peer, ageMs: number): number {
  return fallbackWeight(subject, fallbackStep(ageMs, FALLBACK_HALF_LIFE_MS), NOW_MS);
}

describe("fallback", () => {
  it("begins with the last weights", () => {
    fc.assert(
      fc.property(weight, weight, (baseWeight, listed) => {
        expect(weightAt(peer({ baseWeight, weight: listed }), 0)).toBe(listed);
      }),
    );
  });

  it("is half way to the base weights after a half-life, and there after twelve", () => {
    fc.assert(
      fc.property(weight, weight, (baseWeight, listed) => {
        const subject = peer({ baseWeight, weight: listed });
        const atLeast = listed > 0 ? 1 : 0;
        const half = Math.max(atLeast, (baseWeight + listed) / 2);
        expect(Math.abs(weightAt(subject, FALLBACK_HALF_LIFE_MS) - half)).toBeLessThanOrEqual(1);
        const end = Math.max(atLeast, baseWeight);
        expect(Math.abs(weightAt(subject, 12 * FALLBACK_HALF_LIFE_MS) - end)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("never goes away from the base weight, and never takes the last unit of weight away", () => {
    fc.assert(
      fc.property(weight, weight, (baseWeight, listed) => {
        const subject = peer({ baseWeight, weight: listed });
        let distance = Number.POSITIVE_INFINITY;
        for (let ageMs = 0; ageMs <= 15 * 60_000; ageMs += 2500) {
          const now = weightAt(subject, ageMs);
          expect(Math.abs(now - baseWeight)).toBeLessThanOrEqual(distance);
          if (listed > 0) expect(now).toBeGreaterThan(0);
          distance = Math.abs(now - baseWeight);
        }
      }),
    );
  });

  it("keeps a live override's weight, and lets the scored weight follow it when it has run out", () => {
    const trial = peer({ weight: 7, score: 0.5, override: override({ weight: 7, expiresAt: NOW_MS + 1 }) });
    expect(fallbackWeight(trial, 100, NOW_MS)).toBe(7);
    expect(fallbackWeight(trial, 0, NOW_MS + 1)).toBe(50);
    expect(fallbackWeight(trial, 12, NOW_MS + 1)).toBe(75);
  });

  it("keeps a drained instance drained until the drain runs out", () => {
    const drained = peer({ weight: 0, override: override({ weight: 0 }) });
    expect(fallbackWeight(drained, 144, NOW_MS + 59_999)).toBe(0);
    expect(fallbackWeight(drained, 0, NOW_MS + 60_000)).toBe(100);
  });

  it("says until when its weights hold: none changes before", () => {
    fc.assert(
      fc.property(fc.array(anyPeer, { maxLength: 4 }), fc.integer({ min: 0, max: 800_000 }), (peers, ageMs) => {
        const instances = peers.map((each, i) => ({ ...each, id: `demo-${i + 1}` }));
        const list: ServiceList = { version: 1, mode: "normal", policy: policyOf("best"), instances };
        const untilMs = validUntil(list, inFallback(NOW_MS, ageMs)) ?? Number.POSITIVE_INFINITY;
        const before = weightsInForce(list, inFallback(NOW_MS, ageMs));
        expect(untilMs).toBeGreaterThan(NOW_MS);
        for (const laterMs of [1, 1000, 4999, 30_000, 89_999, 500_000, 2_000_000]) {
          if (NOW_MS + laterMs >= untilMs) break;
          expect(weightsInForce(list, inFallback(NOW_MS + laterMs, ageMs + laterMs))).toEqual(before);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("is proportional, whatever the policy, but keeps users with their peers where the policy names a hash key", () => {
    for (const algorithm of EVERY_ALGORITHM) {
      const plan = preparePlan(listOf(algorithm, [60, 30, 10]), inFallback(NOW_MS, 6000), 0);
      expect(plan.algorithm).toBe(algorithm === "consistent-hash" ? "consistent-hash" : "weighted-random");
    }
  });

  it("alone lets weights run out: else a new list says so", () => {
    const instances = [peer({ weight: 50 }), peer({ id: "b", weight: 10, override: override() })];
    const list: ServiceList = { version: 1, mode: "normal", policy: policyOf("best"), instances };
    for (const mode of ["normal", "manual"] as const) {
      expect(validUntil(list, { mode, nowMs: NOW_MS, listAgeMs: 0 })).toBeUndefined();
    }
    expect(validUntil(list, inFallback(NOW_MS, 6000))).toBe(NOW_MS + 4000);
  });

  it("comes when no answer was good for longer than allowed, and goes with the next good one", () => {
    expect(modeOf("manual", 5000, 5000)).toBe("manual");
    expect(modeOf("manual", 5001, 5000)).toBe("fallback");
    expect(modeOf("normal", 12, 5000)).toBe("normal");
  });
});
