import fc from "fast-check";
import { hashText } from "../../../lua/core/hash.ts";
import { pickPeer } from "../../../lua/core/pick.ts";
import type { PickRequest } from "../../../lua/core/pick-request.ts";
import { type Plan, preparePlan, type Situation } from "../../../lua/core/plan.ts";
import type { Algorithm, Override, Peer, Policy, ServiceList } from "../../../lua/core/types.ts";

export const NOW_MS = 1_700_000_000_000;
export const FRESH: Situation = { mode: "normal", nowMs: NOW_MS, listAgeMs: 0 };
export const EVERY_ALGORITHM: readonly Algorithm[] = [
  "adaptive",
  "weighted-random",
  "round-robin",
  "least-request",
  "consistent-hash",
  "best",
];

export function peer(fields: Partial<Peer> = {}): Peer {
  return {
    id: "a",
    name: "a",
    address: "10.0.0.1",
    port: 80,
    baseWeight: 100,
    score: 1,
    weight: 100,
    metadata: {},
    ...fields,
  };
}

export function override(fields: Partial<Override> = {}): Override {
  return { weight: 10, by: "alice", reason: "a trial", at: NOW_MS, expiresAt: NOW_MS + 60_000, ...fields };
}

export function policyOf(algorithm: Algorithm): Policy {
  return algorithm === "consistent-hash" ? { algorithm, hashOn: "header:x-user-id" } : { algorithm };
}

/** A list of `demo-1`, `demo-2` and so on with these weights. */
export function listOf(algorithm: Algorithm, weights: readonly number[]): ServiceList {
  const instances = weights.map((weight, i) => peer({ id: `demo-${i + 1}`, baseWeight: weight, weight }));
  return { version: 1, mode: "normal", policy: policyOf(algorithm), instances };
}

export function planOf(algorithm: Algorithm, weights: readonly number[], start = 0): Plan {
  return preparePlan(listOf(algorithm, weights), FRESH, start);
}

export function request(fields: Partial<Omit<PickRequest, "triedCount">> = {}): PickRequest {
  const tried = fields.tried ?? [];
  return { keyHash: 0, random: 0, loads: [], totalInFlight: 0, nowMs: 0, ...fields, tried, triedCount: tried.length };
}

/** The id that takes a request; undefined when nobody does. */
export function pickId(plan: Plan, fields: Partial<Omit<PickRequest, "triedCount">> = {}): string | undefined {
  return plan.ids[pickPeer(plan, request(fields))];
}

/** Which of some peers owns a key, on an idle router. */
export function ownerOf(plan: Plan, key: string): string | undefined {
  return pickId(plan, { keyHash: hashText(key) });
}

/** Random numbers that are the same in every run: mulberry32 (T. Ettinger), 0 <= number < 1. */
export function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function countsOf(values: Iterable<string | undefined>): Map<string | undefined, number> {
  const counts = new Map<string | undefined, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

export const anyWeight = fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.constantFrom(1, 100));
export const anyWeights = fc.array(anyWeight, { minLength: 1, maxLength: 8 });

/** Weights of which some may be 0. */
export const weightsWithZeros = fc.array(fc.oneof(anyWeight, fc.constant(0)), { maxLength: 8 });
