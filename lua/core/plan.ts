import { type AliasTable, buildAliasTable } from "./alias-table.ts";
import { buildHashRing, type HashRing } from "./hash-ring.ts";
import { DEFAULT_MAX_ATTEMPTS } from "./policy.ts";
import { buildRoundRobin, type RoundRobin } from "./round-robin.ts";
import type { Algorithm, Mode, Peer, Policy, ServiceList } from "./types.ts";
import {
  FALLBACK_HALF_LIFE_MS,
  fallbackStep,
  fallbackWeight,
  isLive,
  lastWeight,
  nextFallbackStepAge,
} from "./weights.ts";

/** When and in what mode a list is served. Times in milliseconds. */
export interface Situation {
  readonly mode: Mode;
  readonly nowMs: number;
  /** Since the last good answer of an ipconfig. */
  readonly listAgeMs: number;
  readonly halfLifeMs?: number;
}

/** What a service routes by: prepared once when its list or its mode changes, then only read (round robin's turns apart). */
export interface Plan {
  readonly mode: Mode;
  readonly algorithm: Algorithm;
  readonly maxAttempts: number;
  /** The peers that take new requests, best first, by id; picks are indices into this array and the next two. */
  readonly ids: readonly string[];
  readonly weights: readonly number[];
  /** Where each of these peers stands in the list's instances. */
  readonly places: readonly number[];
  readonly totalWeight: number;
  /** From this time on the weights are out of date, though the list did not change; undefined: never. */
  readonly validUntilMs: number | undefined;
  readonly aliasTable: AliasTable | undefined;
  readonly ring: HashRing | undefined;
  readonly turns: RoundRobin | undefined;
  /** Room for a pick's costs, one a peer. */
  readonly costs: number[];
}

/**
 * The algorithm in force. Away from normal the scores stand aside and the pick is proportional to the weights; a service
 * whose policy names a hash key keeps its users where they are.
 */
export function algorithmInForce(policy: Policy, mode: Mode): Algorithm {
  if (mode === "normal") return policy.algorithm;
  return policy.hashOn !== undefined ? "consistent-hash" : "weighted-random";
}

/** The weight of every peer of a list in a situation, in the list's order. */
export function weightsInForce(list: ServiceList, situation: Situation): number[] {
  const weights: number[] = [];
  const fallback = situation.mode === "fallback";
  const sticky = algorithmInForce(list.policy, situation.mode) === "consistent-hash";
  const step = fallbackStep(situation.listAgeMs, situation.halfLifeMs ?? FALLBACK_HALF_LIFE_MS);
  for (const peer of list.instances) {
    let weight = peer.weight;
    if (sticky) weight = stickyWeight(peer, situation);
    else if (fallback) weight = fallbackWeight(peer, step, situation.nowMs);
    weights[weights.length] = weight;
  }
  return weights;
}

/**
 * Where users have a place, scores do not move them: a peer that lives has its base weight, or what an operator typed.
 * An overloaded one is relieved by the bounded load.
 */
function stickyWeight(peer: Peer, situation: Situation): number {
  if (situation.mode === "manual") return peer.weight;
  if (peer.override !== undefined)
    return isLive(peer.override, situation.nowMs) ? peer.override.weight : peer.baseWeight;
  return peer.weight > 0 ? peer.baseWeight : 0;
}

/**
 * Prepares a list for picking. A list in which nobody takes requests gives a plan without peers.
 * @param start 0 <= start < 1: where round robin begins
 */
export function preparePlan(list: ServiceList, situation: Situation, start: number): Plan {
  const ids: string[] = [];
  const weights: number[] = [];
  const places: number[] = [];
  const all = weightsInForce(list, situation);
  let totalWeight = 0;
  for (let i = 0; i < all.length; i++) {
    const weight = all[i]!;
    if (weight > 0) {
      ids[ids.length] = list.instances[i]!.id;
      weights[weights.length] = weight;
      places[places.length] = i;
      totalWeight += weight;
    }
  }
  const algorithm = algorithmInForce(list.policy, situation.mode);
  const some = ids.length > 0;
  return {
    mode: situation.mode,
    algorithm,
    maxAttempts: list.policy.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
    ids,
    weights,
    places,
    totalWeight,
    validUntilMs: validUntil(list, situation),
    aliasTable: some && drawsByWeight(algorithm) ? buildAliasTable(weights) : undefined,
    ring: some && algorithm === "consistent-hash" ? buildHashRing(ids, weights) : undefined,
    turns: some && algorithm === "round-robin" ? buildRoundRobin(weights, start) : undefined,
    costs: weights.slice(),
  };
}

function drawsByWeight(algorithm: Algorithm): boolean {
  return algorithm === "weighted-random" || algorithm === "adaptive" || algorithm === "least-request";
}

/** In fallback the router itself ends overrides and lets weights regress; else a new list says so. */
function validUntil(list: ServiceList, situation: Situation): number | undefined {
  if (situation.mode !== "fallback") return undefined;
  let until: number | undefined;
  let regressing = false;
  for (const peer of list.instances) {
    if (isLive(peer.override, situation.nowMs)) {
      const expiresAt = peer.override!.expiresAt;
      if (expiresAt !== undefined && (until === undefined || expiresAt < until)) until = expiresAt;
    } else if (lastWeight(peer) !== peer.baseWeight) regressing = true;
  }
  if (!regressing) return until;
  const halfLifeMs = situation.halfLifeMs ?? FALLBACK_HALF_LIFE_MS;
  const nextAge = nextFallbackStepAge(fallbackStep(situation.listAgeMs, halfLifeMs), halfLifeMs);
  if (nextAge === undefined) return until;
  const nextMs = situation.nowMs + (nextAge - situation.listAgeMs);
  return until === undefined || nextMs < until ? nextMs : until;
}
