import { ejectionSettings, isPanic } from "./ejection.ts";
import { type Plan, preparePlan, type Situation, weightsInForce } from "./plan.ts";
import { type PreparedRule, prepareRules } from "./rules.ts";
import type { Algorithm, Peer, PeerState, Rule, ServiceList } from "./types.ts";
import { stateOf } from "./weights.ts";

/** What the requests of a service go by: which plan, and the plans. Prepared when its list, its mode or its health changes. */
export interface Routing {
  readonly rules: readonly PreparedRule[];
  /** The first one takes what no rule takes. */
  readonly plans: readonly Plan[];
  /** By rule: the index of its plan; that of the rest, 0, where nobody of its subset takes requests. */
  readonly planOfRule: readonly number[];
  /** Whether ejections are ignored, because too many peers are ejected. */
  readonly panic: boolean;
  /** Where the peers that are left out because they are ejected stand in the list's instances. */
  readonly ejected: readonly number[];
}

/**
 * Prepares the plans of a service: one for each subset that its rules name, and one for the rest.
 * @param start 0 <= start < 1: where round robin begins
 */
export function prepareRouting(list: ServiceList, situation: Situation, start: number): Routing {
  const weights = weightsInForce(list, situation);
  const ejected = ejectedPlaces(list, situation, weights);
  const panic =
    ejected.length > 0 && isPanic(ejected.length, countMembers(weights), ejectionSettings(list.policy.ejection));
  const healthy = panic || ejected.length === 0 ? weights : without(weights, ejected);
  const rules = list.policy.rules ?? [];
  const plans: Plan[] = [];
  const planOfRule: number[] = [];

  plans.push(preparePlan(list, situation, start, weightsOfRest(list, weights, healthy)));
  for (let i = 0; i < rules.length; i++) {
    const { subset } = rules[i]!;
    let plan = -1;
    for (let before = 0; before < i && plan < 0; before++) {
      if (sameSubset(rules[before]!.subset, subset)) plan = planOfRule[before]!;
    }
    if (plan < 0) {
      const members = only(list, healthy, (peer) => isInSubset(peer, subset));
      plan = 0;
      if (countMembers(members) > 0) {
        plan = plans.length;
        plans.push(preparePlan(list, situation, start, members));
      }
    }
    planOfRule.push(plan);
  }
  const isUsed: boolean[] = [];
  for (const { places } of plans) for (const place of places) isUsed[place] = true;
  const leftOut: number[] = [];
  for (const place of ejected) if (isUsed[place] !== true) leftOut.push(place);
  return { rules: prepareRules(rules), plans, planOfRule, panic, ejected: leftOut };
}

/**
 * The weights for what no rule takes. A part of which every member is ejected: the rest uses them all the same, a subset
 * leaves its requests to the rest.
 */
function weightsOfRest(list: ServiceList, weights: readonly number[], healthy: readonly number[]): readonly number[] {
  if (list.policy.rules !== undefined && list.policy.rules.length > 0) {
    for (const all of [healthy, weights]) {
      const rest = only(list, all, (peer) => !isInAnySubset(peer, list));
      if (countMembers(rest) > 0) return rest;
    }
  }
  return countMembers(healthy) > 0 ? healthy : weights;
}

/** How the peers of a list are, in its order. */
export interface ListHealth {
  /** The weight for new requests: 0 also for one that is ejected, unless the rest of its service is as well. */
  readonly weights: readonly number[];
  readonly states: readonly PeerState[];
  /** Whether ejections are ignored, because too many peers are ejected. */
  readonly panic: boolean;
}

export function healthOf(list: ServiceList, situation: Situation): ListHealth {
  const weights = weightsInForce(list, situation);
  const ejected = ejectedPlaces(list, situation, weights);
  const panic = isPanic(ejected.length, countMembers(weights), ejectionSettings(list.policy.ejection));
  const isLeftOut: boolean[] = [];
  for (let i = 0; i < weights.length; i++) isLeftOut.push(false);
  if (!panic) for (const place of ejected) isLeftOut[place] = true;
  const states: PeerState[] = [];
  for (let i = 0; i < weights.length; i++) states.push(stateOf(list.instances[i]!, weights[i]!, isLeftOut[i]!));
  const healthy = panic ? weights : without(weights, ejected);
  const rest = weightsOfRest(list, weights, healthy);
  // No array.map(): what TypeScriptToLua makes of it went past the end now and then, compiled by LuaJIT.
  const inForce: number[] = [];
  for (let i = 0; i < healthy.length; i++) inForce.push(healthy[i]! > 0 ? healthy[i]! : rest[i]!);
  return { weights: inForce, states, panic };
}

/**
 * Each peer's part of the requests that no rule matches by what is in them, 0..1: by weight within its subset, which has the
 * percentage of its rules, and within the rest, which has what is left over. `best` gives all of a part to its first peer.
 * @param weights of the list's peers, as in `healthOf`
 * @param algorithm the one in force
 */
export function sharesOf(list: ServiceList, weights: readonly number[], algorithm: Algorithm): number[] {
  const rules = list.policy.rules ?? [];
  const groups: number[] = [];
  const sums: number[] = [];
  const parts: number[] = [];
  for (let i = 0; i <= rules.length; i++) {
    sums[i] = 0;
    parts[i] = 0;
  }
  for (let i = 0; i < weights.length; i++) {
    const group = groupOf(list.instances[i]!, rules);
    groups[i] = group;
    sums[group] = sums[group]! + weights[i]!;
  }
  let rest = 1;
  for (let i = 0; i < rules.length; i++) {
    const { match, percent, subset } = rules[i]!;
    const group = firstWith(subset, rules);
    if (match !== undefined || sums[group] === 0) continue;
    parts[group] = parts[group]! + (percent ?? 100) / 100;
    rest -= (percent ?? 100) / 100;
  }
  parts[rules.length] = Math.max(0, rest);
  if (sums[rules.length] === 0) {
    // Without a rest all of the service takes what no rule takes.
    for (let i = 0; i < rules.length; i++) sums[rules.length] = sums[rules.length]! + sums[i]!;
    for (let i = 0; i < weights.length; i++) groups[i] = rules.length;
    parts[rules.length] = 1;
  }
  const hasFirst: boolean[] = [];
  const result: number[] = [];
  for (let i = 0; i < weights.length; i++) {
    const group = groups[i]!;
    const weight = weights[i]!;
    const sum = algorithm === "best" ? weight : sums[group]!;
    const isLeftOut = weight === 0 || (algorithm === "best" && hasFirst[group] === true);
    if (weight > 0) hasFirst[group] = true;
    result[i] = isLeftOut ? 0 : (parts[group]! * weight) / sum;
  }
  return result;
}

/** The first rule whose subset a peer is in; as many as there are rules for the rest. */
function groupOf(peer: Peer, rules: readonly Rule[]): number {
  for (let i = 0; i < rules.length; i++) {
    if (isInSubset(peer, rules[i]!.subset)) return firstWith(rules[i]!.subset, rules);
  }
  return rules.length;
}

function firstWith(subset: Rule["subset"], rules: readonly Rule[]): number {
  let i = 0;
  while (!sameSubset(rules[i]!.subset, subset)) i++;
  return i;
}

/** Whether a peer's metadata is what a subset asks for. */
export function isInSubset(peer: Peer, subset: Readonly<Record<string, string>>): boolean {
  for (const key in subset) {
    if (peer.metadata[key] !== subset[key]) return false;
  }
  return true;
}

function isInAnySubset(peer: Peer, list: ServiceList): boolean {
  for (const { subset } of list.policy.rules ?? []) {
    if (isInSubset(peer, subset)) return true;
  }
  return false;
}

function sameSubset(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  for (const key in a) if (a[key] !== b[key]) return false;
  for (const key in b) if (a[key] !== b[key]) return false;
  return true;
}

function ejectedPlaces(list: ServiceList, situation: Situation, weights: readonly number[]): number[] {
  const places: number[] = [];
  const { ejectedUntilMs } = situation;
  if (ejectedUntilMs === undefined) return places;
  for (let i = 0; i < weights.length; i++) {
    // Asked this way, because an id may be the name of something that every JavaScript object has.
    if (weights[i]! > 0 && typeof ejectedUntilMs[list.instances[i]!.id] === "number") places.push(i);
  }
  return places;
}

function countMembers(weights: readonly number[]): number {
  let count = 0;
  for (const weight of weights) if (weight > 0) count++;
  return count;
}

function without(weights: readonly number[], places: readonly number[]): number[] {
  const rest = weights.slice();
  for (const place of places) rest[place] = 0;
  return rest;
}

function only(list: ServiceList, weights: readonly number[], isMember: (peer: Peer) => boolean): number[] {
  const result: number[] = [];
  for (let i = 0; i < weights.length; i++) result.push(isMember(list.instances[i]!) ? weights[i]! : 0);
  return result;
}
