import { type AliasTable, buildAliasTable } from "./alias-table.ts";
import { buildHashRing, type HashRing } from "./hash-ring.ts";
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
  /** By the id of each peer that this router has ejected: until when it is not even tried. */
  readonly ejectedUntilMs?: Readonly<Record<string, number>>;
}

/** What requests are routed by: prepared once when its list or its mode changes, then only read (round robin's turns apart). */
export interface Plan {
  readonly algorithm: Algorithm;
  /** The peers that take new requests, best first, by id; picks are indices into this array and the next two. */
  readonly ids: readonly string[];
  /** Their number: the length of a Lua table is found by a search. */
  readonly count: number;
  readonly weights: readonly number[];
  /** Where each of these peers stands in the list's instances. */
  readonly places: readonly number[];
  readonly totalWeight: number;
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
 * Prepares some peers of a list for picking. When none of them has a weight, the plan is one without peers.
 * @param start 0 <= start < 1: where round robin begins
 * @param weightsOfList one a peer of the list, 0 for those that are not in this plan
 */
export function preparePlan(
  list: ServiceList,
  situation: Situation,
  start: number,
  weightsOfList: readonly number[] = weightsInForce(list, situation),
): Plan {
  const ids: string[] = [];
  const weights: number[] = [];
  const places: number[] = [];
  let totalWeight = 0;
  let count = 0;
  for (let i = 0; i < weightsOfList.length; i++) {
    const weight = weightsOfList[i]!;
    if (weight > 0) {
      ids[count] = list.instances[i]!.id;
      weights[count] = weight;
      places[count] = i;
      totalWeight += weight;
      count++;
    }
  }
  const algorithm = algorithmInForce(list.policy, situation.mode);
  const some = count > 0;
  return {
    algorithm,
    ids,
    count,
    weights,
    places,
    totalWeight,
    aliasTable: some && drawsByWeight(algorithm) ? buildAliasTable(weights) : undefined,
    ring: some && algorithm === "consistent-hash" ? buildHashRing(ids, weights) : undefined,
    turns: some && algorithm === "round-robin" ? buildRoundRobin(weights, start) : undefined,
    costs: weights.slice(),
  };
}

function drawsByWeight(algorithm: Algorithm): boolean {
  return algorithm === "weighted-random" || algorithm === "adaptive" || algorithm === "least-request";
}

/**
 * From what time on weights are out of date, though the list did not change; undefined: never. In fallback the router itself ends overrides
 * and lets weights regress; else a new list says so.
 */
export function validUntil(list: ServiceList, situation: Situation): number | undefined {
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
