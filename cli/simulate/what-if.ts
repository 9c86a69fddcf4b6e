import { hashText } from "../../lua/core/hash.ts";
import { pickPeer } from "../../lua/core/pick.ts";
import type { PickRequest } from "../../lua/core/pick-request.ts";
import { algorithmInForce, type Situation } from "../../lua/core/plan.ts";
import { healthOf, prepareRouting, type Routing, sharesOf } from "../../lua/core/routing.ts";
import { matchingRule } from "../../lua/core/rules.ts";
import type { Algorithm, Mode, ServiceList } from "../../lua/core/types.ts";
import { type Cluster, capacityOf } from "./cluster.ts";
import { contenderOf } from "./contenders.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { WARM_UP_MS } from "./jobs.ts";
import { listOf, type ServiceState } from "./service-state.ts";
import { type Settings, serviceTimesOf } from "./settings.ts";
import { simulate } from "./simulation.ts";

/** What some manual weights would do to a service. */
export interface WhatIf {
  readonly service: string;
  readonly hasScores: boolean;
  readonly before: Routed;
  readonly after: Routed;
  readonly users: number;
  /** Undefined where users have no instance of their own. */
  readonly usersMoved: number | undefined;
  readonly predictions: readonly { readonly routers: number; readonly before: Figures; readonly after: Figures }[];
}

/** How a service is routed by a list. */
export interface Routed {
  readonly mode: Mode;
  readonly algorithm: Algorithm;
  readonly peers: readonly {
    readonly id: string;
    readonly weight: number;
    /** 0..1, of the requests that no rule matches by what is in them. */
    readonly share: number;
  }[];
}

const USERS = 10_000;

/** @param weights those to try, by the ids of instances that are there */
export function tryWeights(
  state: ServiceState,
  weights: ReadonlyMap<string, number>,
  settings: Settings,
  nowMs: number,
): WhatIf {
  const now = listOf(state, new Map(), nowMs);
  const changed = listOf(state, weights, nowMs);
  return {
    service: state.service,
    hasScores: state.hasScores,
    before: routedBy(now, nowMs),
    after: routedBy(changed, nowMs),
    users: USERS,
    usersMoved: countMoved(now, changed, nowMs),
    predictions: settings.routers.map((routers) => ({
      routers,
      before: predict(now, now, routers, settings),
      after: predict(now, changed, routers, settings),
    })),
  };
}

function routedBy(list: ServiceList, nowMs: number): Routed {
  const { weights } = healthOf(list, situationOf(list, nowMs));
  const algorithm = algorithmInForce(list.policy, list.mode);
  const shares = sharesOf(list, weights, algorithm);
  return {
    mode: list.mode,
    algorithm,
    peers: list.instances.map(({ id, weight }, i) => ({ id, weight, share: shares[i]! })),
  };
}

/** How many users would have another instance; undefined where users have no place. */
function countMoved(before: ServiceList, after: ServiceList, nowMs: number): number | undefined {
  const [from, to] = [before, after].map((list) => prepareRouting(list, situationOf(list, nowMs), 0));
  if (from!.plans[0]!.ring === undefined || to!.plans[0]!.ring === undefined) return undefined;
  let moved = 0;
  for (let user = 0; user < USERS; user++) {
    const keyHash = hashText(`user-${user}`);
    if (ownerOf(from!, keyHash) !== ownerOf(to!, keyHash)) moved++;
  }
  return moved;
}

function ownerOf({ rules, planOfRule, plans }: Routing, keyHash: number): string | undefined {
  const facts = { values: rules.map(() => ""), keyHashes: rules.map(() => keyHash) };
  const rule = matchingRule(rules, facts, () => false);
  const plan = plans[rule < 0 ? 0 : planOfRule[rule]!]!;
  const request: PickRequest = { keyHash, random: 0, tried: [], triedCount: 0, loads: [], totalInFlight: 0, nowMs: 0 };
  return plan.ids[pickPeer(plan, request)];
}

function situationOf({ mode }: ServiceList, nowMs: number): Situation {
  return { mode, nowMs, listAgeMs: 0 };
}

/**
 * How long requests would take with a list, if its instances were alike. Canaries' rules apart.
 * @param now the list in force, whose serving instances' capacity the load is a part of
 */
function predict(now: ServiceList, list: ServiceList, routers: number, settings: Settings): Figures {
  const serviceTimes = serviceTimesOf(settings.serviceTimes);
  const capacity = capacityOf(clusterOf(now, settings, serviceTimes.meanMs));
  const outcome = simulate({
    contender: contenderOf(algorithmInForce(list.policy, list.mode)),
    cluster: clusterOf(list, settings, serviceTimes.meanMs),
    serviceTimes,
    firstPerSecond: settings.load.first * capacity,
    lastPerSecond: settings.load.last * capacity,
    durationMs: WARM_UP_MS + settings.seconds * 1000,
    warmUpMs: WARM_UP_MS,
    workers: routers,
    seed: settings.seed,
  });
  return figuresOf(outcome);
}

function clusterOf({ instances }: ServiceList, { slots }: Settings, meanMs: number): Cluster {
  return { servers: instances.map(({ weight }) => ({ slots, meanMs, weight })), changes: [] };
}
