import { ejectionSettings } from "./ejection.ts";
import { hashText } from "./hash.ts";
import { ringOrder } from "./hash-ring.ts";
import { algorithmInForce, type Plan, type Situation, weightsInForce } from "./plan.ts";
import { isInSubset, prepareRouting, type Routing } from "./routing.ts";
import { matchingRule } from "./rules.ts";
import { formatPercent } from "./text.ts";
import type { Algorithm, Mode, Peer, Rule, ServiceList } from "./types.ts";
import { stateOf } from "./weights.ts";

/** Why a peer would or would not be chosen. */
export interface Candidate {
  readonly id: string;
  readonly weight: number;
  readonly eligible: boolean;
  readonly reason: string;
}

/** A routing decision, told without making it. */
export interface Explanation {
  readonly algorithm: Algorithm;
  /** The number of the rule that takes the key, from 1; undefined where none does, or only requests with more than a key. */
  readonly rule: number | undefined;
  readonly mode: Mode;
  /** The peer that takes the key; undefined where chance or turns decide, and where nobody takes requests. */
  readonly peer: string | undefined;
  readonly candidates: readonly Candidate[];
  /** Ids in the order in which they would be tried; by weight where chance or turns decide. */
  readonly order: readonly string[];
}

/**
 * Explains where a key goes, as if nothing were in flight, and the request had nothing that a rule could match but the key.
 * @param key a byte string (see hash.ts)
 */
export function explain(list: ServiceList, situation: Situation, key: string): Explanation {
  const routing = prepareRouting(list, situation, 0);
  const keyHash = hashText(key);
  const rule = ruleOfKey(routing, keyHash);
  const plan = routing.plans[rule < 0 ? 0 : routing.planOfRule[rule]!]!;
  const order = tryOrder(plan, keyHash);
  const decided = plan.algorithm === "consistent-hash" || plan.algorithm === "best";
  const weights = weightsInForce(list, situation);
  const ranks: Record<string, number> = {};
  for (let rank = 0; rank < order.length; rank++) ranks[order[rank]!] = rank;
  const members: boolean[] = [];
  for (let i = 0; i < weights.length; i++) members[i] = false;
  for (const place of plan.places) members[place] = true;
  const candidates: Candidate[] = [];
  for (let i = 0; i < list.instances.length; i++) {
    const peer = list.instances[i]!;
    const weight = weights[i]!;
    const eligible = members[i]!;
    const reason = eligible
      ? reasonFor(plan, weight, ranks[peer.id]!)
      : whyNot(list, peer, weight, routing.ejected.includes(i));
    candidates[i] = { id: peer.id, weight, eligible, reason };
  }
  return {
    algorithm: algorithmInForce(list.policy, situation.mode),
    rule: rule < 0 ? undefined : rule + 1,
    mode: situation.mode,
    peer: decided ? order[0] : undefined,
    candidates,
    order,
  };
}

function ruleOfKey(routing: Routing, keyHash: number): number {
  const values: string[] = [];
  const keyHashes: number[] = [];
  for (let i = 0; i < routing.rules.length; i++) {
    values[i] = "";
    keyHashes[i] = keyHash;
  }
  return matchingRule(routing.rules, { values, keyHashes }, () => false);
}

function whyNot(list: ServiceList, peer: Peer, weight: number, ejected: boolean): string {
  const state = stateOf(peer, weight, ejected);
  if (state === "drained") return `drained by ${peer.override!.by}: ${peer.override!.reason}`;
  if (state === "ejected") {
    const { maxEjectedPercent } = ejectionSettings(list.policy.ejection);
    return `ejected for its answers, as long as no more than ${maxEjectedPercent} % of the peers are`;
  }
  if (weight === 0) return state === "down" ? "down, by its own status" : "weight 0";
  for (const { subset } of list.policy.rules ?? []) {
    if (isInSubset(peer, subset)) return `takes only what rules send to ${formatSubset(subset)}`;
  }
  return "not in the subset that takes this key";
}

/** `version=v2,zone=a`, sorted by key. */
export function formatSubset(subset: Rule["subset"]): string {
  const entries: string[] = [];
  for (const key in subset) entries.push(`${key}=${subset[key]}`);
  entries.sort((a, b) => (a < b ? -1 : 1));
  return entries.join(",");
}

function reasonFor(plan: Plan, weight: number, rank: number): string {
  const share = `${formatPercent(weight / plan.totalWeight)} of the weight`;
  if (plan.algorithm === "weighted-random") return `drawn by chance, ${share}`;
  if (plan.algorithm === "round-robin") return `takes turns, ${share}`;
  if (plan.algorithm === "adaptive" || plan.algorithm === "least-request") return `by its load, ${share}`;
  if (plan.algorithm === "best") return rank === 0 ? "head of the list" : `number ${rank + 1} on the list`;
  return rank === 0 ? `owns the key on the ring, ${share}` : `number ${rank + 1} along the ring, ${share}`;
}

function tryOrder(plan: Plan, keyHash: number): string[] {
  const ids: string[] = [];
  if (plan.ring !== undefined) {
    for (const index of ringOrder(plan.ring, plan.weights, keyHash)) ids[ids.length] = plan.ids[index]!;
    return ids;
  }
  const indices: number[] = [];
  for (let i = 0; i < plan.ids.length; i++) indices[i] = i;
  if (plan.algorithm !== "best") {
    indices.sort((a, b) => (plan.weights[a] !== plan.weights[b] ? plan.weights[b]! - plan.weights[a]! : a - b));
  }
  for (const index of indices) ids[ids.length] = plan.ids[index]!;
  return ids;
}
