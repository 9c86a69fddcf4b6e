import { describe, expect, it } from "vitest";
import { explain } from "../../../lua/core/explain.ts";
import type { HashRing } from "../../../lua/core/hash-ring.ts";
import { pickPeer } from "../../../lua/core/pick.ts";
import { preparePlan } from "../../../lua/core/plan.ts";
import { FRESH, listOf, ownerOf, planOf, randoms, request } from "./fixtures.ts";

const COUNT = 10_000;
const EQUAL = new Array<number>(COUNT).fill(100);
const HEAVY = EQUAL.map((_, i) => (i % 100 === 0 ? 901 : 1));

describe("10,000 peers", () => {
  it("weighted-random: a hundredth of the peers has nine tenths of the traffic", () => {
    const plan = planOf("weighted-random", HEAVY);
    const random = randoms(5);
    let heavy = 0;
    for (let i = 0; i < 100_000; i++) if (pickPeer(plan, request({ random: random() })) % 100 === 0) heavy++;
    expect(Math.abs(heavy / 100_000 - 901 / 1000)).toBeLessThan(0.01);
  });

  it("weighted-random: equal peers divide the line equally", () => {
    const plan = planOf("weighted-random", EQUAL);
    const picked = new Set(EQUAL.map((_, i) => pickPeer(plan, request({ random: (i + 0.5) / COUNT }))));
    expect(picked.size).toBe(COUNT);
  });

  it("round-robin: each has its turn before the first has its second", () => {
    const plan = planOf("round-robin", EQUAL, 0.7);
    const picked = EQUAL.map(() => pickPeer(plan, request()));
    expect(picked[0]).toBe(7000);
    expect(new Set(picked).size).toBe(COUNT);
    expect(pickPeer(plan, request())).toBe(picked[0]);
  });

  it("consistent-hash: one goes, and only its keys move", () => {
    const before = planOf("consistent-hash", EQUAL);
    const keys = Array.from({ length: 3000 }, (_, i) => `user-${i}`);
    const gone = Number(ownerOf(before, "user-0")!.slice("demo-".length)) - 1;
    const after = planOf("consistent-hash", EQUAL.with(gone, 0));
    for (const key of keys) {
      const owner = ownerOf(before, key);
      if (owner === `demo-${gone + 1}`) expect(ownerOf(after, key)).not.toBe(owner);
      else expect(ownerOf(after, key)).toBe(owner);
    }
  });

  it("consistent-hash: the order of the list does not matter, though points of different peers coincide", () => {
    const list = listOf("consistent-hash", EQUAL);
    const ring = preparePlan(list, FRESH, 0).ring!;
    const reversed = preparePlan({ ...list, instances: list.instances.toReversed() }, FRESH, 0).ring!;
    const hashes = ({ points }: HashRing): number[] => points.map((point) => Math.floor(point / 32_768));
    const owners = ({ points }: HashRing): number[] => points.map((point) => point % 32_768);
    expect(new Set(hashes(ring)).size).toBeLessThan(ring.points.length);
    expect(hashes(reversed)).toEqual(hashes(ring));
    expect(owners(reversed).map((owner) => COUNT - 1 - owner)).toEqual(owners(ring));
  });

  it("consistent-hash: explain has all of them in order, and the owner first", () => {
    const list = listOf("consistent-hash", HEAVY);
    const { peer, order, candidates } = explain(list, FRESH, "user-1");
    expect(peer).toBe(ownerOf(preparePlan(list, FRESH, 0), "user-1"));
    expect(new Set(order).size).toBe(COUNT);
    expect(candidates.length).toBe(COUNT);
    expect(candidates.find(({ id }) => id === order[9999])?.reason).toContain("number 10000 along the ring");
  });

  it("best: the head of the list", () => {
    expect(pickPeer(planOf("best", HEAVY), request())).toBe(0);
    expect(pickPeer(planOf("best", HEAVY), request({ tried: [0, 1, 2] }))).toBe(3);
  });
});
