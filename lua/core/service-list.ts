import { DEFAULT_POLICY } from "./policy.ts";
import type { Override, Peer, Policy, ServiceList } from "./types.ts";
import { scoredWeight } from "./weights.ts";

/** A registered instance, its address resolved, with what is known of it. */
export interface ScoredInstance {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** 0..1; 0 is down, 1 is neutral. */
  readonly score: number;
  /** Whether it is among those that get traffic by score; `policy.top` leaves others out. */
  readonly chosen: boolean;
  readonly override: Override | undefined;
}

/**
 * Makes the best list of a service. An override puts the service into `manual`: overridden instances have exactly the
 * weight that the operator typed, the others their base weight. Best first: by weight, then score, then id.
 */
export function buildServiceList(
  version: number,
  policy: Policy | undefined,
  candidates: readonly ScoredInstance[],
): ServiceList {
  let manual = false;
  for (const candidate of candidates) {
    if (candidate.override !== undefined) manual = true;
  }
  const instances: Peer[] = [];
  for (const candidate of candidates) {
    const { id, name, address, port, metadata, score } = candidate;
    const baseWeight = candidate.weight;
    const { override } = candidate;
    if (override !== undefined) {
      instances.push({ id, name, address, port, baseWeight, score, weight: override.weight, override, metadata });
    } else {
      const weight = manual ? baseWeight : candidate.chosen ? scoredWeight(baseWeight, score) : 0;
      instances.push({ id, name, address, port, baseWeight, score, weight, metadata });
    }
  }
  // Not the function by its name: TypeScriptToLua's sort hands it a `this`, which it would take for its first argument.
  instances.sort((a, b) => compareBestFirst(a, b));
  return { version, mode: manual ? "manual" : "normal", policy: policy ?? DEFAULT_POLICY, instances };
}

function compareBestFirst(a: Peer, b: Peer): number {
  if (a.weight !== b.weight) return b.weight - a.weight;
  if (a.score !== b.score) return b.score - a.score;
  return a.id < b.id ? -1 : 1;
}

/** Whether two lists say the same, whatever their versions. */
export function sameServiceList(a: ServiceList, b: ServiceList): boolean {
  if (a.mode !== b.mode || a.instances.length !== b.instances.length) return false;
  if (!sameFields(a.policy, b.policy)) return false;
  for (let i = 0; i < a.instances.length; i++) {
    if (!samePeer(a.instances[i]!, b.instances[i]!)) return false;
  }
  return true;
}

function samePeer(a: Peer, b: Peer): boolean {
  if (a.id !== b.id || a.name !== b.name || a.address !== b.address || a.port !== b.port) return false;
  if (a.baseWeight !== b.baseWeight || a.score !== b.score || a.weight !== b.weight) return false;
  if ((a.override === undefined) !== (b.override === undefined)) return false;
  if (a.override !== undefined && !sameFields(a.override, b.override!)) return false;
  return sameFields(a.metadata, b.metadata);
}

function sameFields(a: object, b: object): boolean {
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  for (const key in left) {
    if (!sameValue(left[key], right[key])) return false;
  }
  for (const key in right) {
    if (!sameValue(left[key], right[key])) return false;
  }
  return true;
}

function sameValue(a: unknown, b: unknown): boolean {
  if (typeof a === "object" && typeof b === "object") return sameFields(a as object, b as object);
  return a === b;
}
