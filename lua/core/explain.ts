import { hashText } from "./hash.ts";
import { ringOrder } from "./hash-ring.ts";
import { type Plan, preparePlan, type Situation, weightsInForce } from "./plan.ts";
import { formatPercent } from "./text.ts";
import type { Algorithm, Mode, Peer, ServiceList } from "./types.ts";
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
  readonly mode: Mode;
  /** The peer that takes the key; undefined where chance or turns decide, and where nobody takes requests. */
  readonly peer: string | undefined;
  readonly candidates: readonly Candidate[];
  /** Ids in the order in which they would be tried; by weight where chance or turns decide. */
  readonly order: readonly string[];
}

/**
 * Explains where a key goes, as if nothing were in flight.
 * @param key a byte string (see hash.ts)
 */
export function explain(list: ServiceList, situation: Situation, key: string): Explanation {
  const plan = preparePlan(list, situation, 0);
  const order = tryOrder(plan, key);
  const decided = plan.algorithm === "consistent-hash" || plan.algorithm === "best";
  const weights = weightsInForce(list, situation);
  const ranks: Record<string, number> = {};
  for (let rank = 0; rank < order.length; rank++) ranks[order[rank]!] = rank;
  const candidates: Candidate[] = [];
  for (let i = 0; i < list.instances.length; i++) {
    const peer = list.instances[i]!;
    const weight = weights[i]!;
    candidates[i] = {
      id: peer.id,
      weight,
      eligible: weight > 0,
      reason: reasonFor(plan, peer, weight, ranks[peer.id]!),
    };
  }
  return {
    algorithm: plan.algorithm,
    mode: plan.mode,
    peer: decided ? order[0] : undefined,
    candidates,
    order,
  };
}

function reasonFor(plan: Plan, peer: Peer, weight: number, rank: number): string {
  if (weight === 0) {
    if (stateOf(peer, weight) === "drained") return `drained by ${peer.override!.by}: ${peer.override!.reason}`;
    return stateOf(peer, weight) === "down" ? "down, by its own status" : "weight 0";
  }
  const share = `${formatPercent(weight / plan.totalWeight)} of the weight`;
  if (plan.algorithm === "weighted-random") return `drawn by chance, ${share}`;
  if (plan.algorithm === "round-robin") return `takes turns, ${share}`;
  if (plan.algorithm === "adaptive" || plan.algorithm === "least-request") return `by its load, ${share}`;
  if (plan.algorithm === "best") return rank === 0 ? "head of the list" : `number ${rank + 1} on the list`;
  return rank === 0 ? `owns the key on the ring, ${share}` : `number ${rank + 1} along the ring, ${share}`;
}

function tryOrder(plan: Plan, key: string): string[] {
  const ids: string[] = [];
  if (plan.ring !== undefined) {
    for (const index of ringOrder(plan.ring, plan.weights, hashText(key))) ids[ids.length] = plan.ids[index]!;
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
