import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hashText } from "../../../lua/core/hash.ts";
import { pickPeer } from "../../../lua/core/pick.ts";
import { EVERY_ALGORITHM, planOf, randoms, request, weightsWithZeros } from "./fixtures.ts";

describe.each(EVERY_ALGORITHM)("a request that is retried with %s", (algorithm) => {
  it("goes to every peer that takes requests once, and then to nobody", () => {
    fc.assert(
      fc.property(weightsWithZeros, fc.integer(), fc.string(), (weights, seed, key) => {
        const plan = planOf(algorithm, weights);
        const random = randoms(seed);
        const keyHash = hashText(key);
        const tried: number[] = [];
        for (;;) {
          const peer = pickPeer(plan, request({ keyHash, random: random(), tried }));
          if (peer < 0) break;
          expect(tried).not.toContain(peer);
          tried.push(peer);
        }
        const serving = weights.flatMap((weight, i) => (weight > 0 ? [`demo-${i + 1}`] : []));
        expect(tried.map((peer) => plan.ids[peer]).sort()).toEqual(serving.sort());
      }),
    );
  });

  it("never goes to one that was tried, in whatever order the others were", () => {
    fc.assert(
      fc.property(fc.subarray([0, 1, 2, 3, 4], { minLength: 1, maxLength: 4 }), fc.integer(), (tried, seed) => {
        const plan = planOf(algorithm, [5, 1, 30, 2, 1000], 0.5);
        const random = randoms(seed);
        for (let i = 0; i < 20; i++) {
          const keyHash = Math.floor(random() * 2 ** 32);
          expect(tried).not.toContain(pickPeer(plan, request({ keyHash, random: random(), tried })));
        }
      }),
    );
  });

  it("goes to the one that is left, though nearly all traffic belongs to the one that was tried", () => {
    const plan = planOf(algorithm, [1, 65_535]);
    const random = randoms(3);
    for (let i = 0; i < 200; i++) expect(pickPeer(plan, request({ random: random(), tried: [1] }))).toBe(0);
  });

  it("goes to nobody when nobody takes requests", () => {
    for (const weights of [[], [0], [0, 0, 0]]) expect(pickPeer(planOf(algorithm, weights), request())).toBe(-1);
  });
});
