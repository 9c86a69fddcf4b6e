import { isDnsName, isIpLiteral, isIpv4, isIpv6 } from "../../lua/core/address.ts";
import { buildAliasTable, drawAlias } from "../../lua/core/alias-table.ts";
import { explain } from "../../lua/core/explain.ts";
import { hashText, hashTextAgain, mix32 } from "../../lua/core/hash.ts";
import { buildHashRing, pickFromRing, ringOrder } from "../../lua/core/hash-ring.ts";
import { fadedLatency, nextLatency } from "../../lua/core/latency.ts";
import { isMetadataKey, isName } from "../../lua/core/names.ts";
import { isIntegerWithin, roundHalfUp } from "../../lua/core/numbers.ts";
import { pickPeer } from "../../lua/core/pick.ts";
import type { Load, PickRequest } from "../../lua/core/pick-request.ts";
import { algorithmInForce, preparePlan, type Situation, weightsInForce } from "../../lua/core/plan.ts";
import { checkPolicy, parseHashOn } from "../../lua/core/policy.ts";
import { buildRoundRobin, nextInTurn } from "../../lua/core/round-robin.ts";
import { buildServiceList, sameServiceList } from "../../lua/core/service-list.ts";
import {
  checkMetadata,
  checkOverride,
  checkServiceList,
  checkSnapshot,
  isText,
} from "../../lua/core/snapshot-check.ts";
import { judgeSnapshot, shrinks } from "../../lua/core/snapshot-order.ts";
import { escapeText, formatPercent } from "../../lua/core/text.ts";
import type { ServiceList } from "../../lua/core/types.ts";
import {
  fallbackStep,
  fallbackWeight,
  isLive,
  modeOf,
  nextFallbackStepAge,
  scoredWeight,
  shares,
  stateOf,
} from "../../lua/core/weights.ts";

const NOW_MS = 1_700_000_000_000;

/** A request as a vector writes it; whatever is left out is as on an idle router. */
export interface RequestCase {
  readonly key?: string;
  readonly random?: number;
  readonly tried?: readonly number[];
  readonly inFlight?: readonly number[];
  readonly totalInFlight?: number;
  /** By peer index, like `inFlight`, which has an entry for every peer that these are given for. */
  readonly latencyMs?: readonly number[];
  /** By peer index: how long ago the latency was measured. */
  readonly idleMs?: readonly number[];
}

/**
 * Everything in lua/core that both runtimes must answer alike, by name. What is built once and then drawn from many
 * times is here as a function from the data to the draws.
 * @param bytes makes a byte string (see hash.ts) of a text: nothing to do in Lua
 */
export function functionsOfCore(bytes: (text: string) => string) {
  const request = (given: RequestCase): PickRequest => {
    const loads: Load[] = [];
    let totalInFlight = 0;
    for (const inFlight of given.inFlight ?? []) {
      const latencyMs = given.latencyMs?.[loads.length] ?? 0;
      const idleMs = given.idleMs?.[loads.length] ?? 0;
      loads[loads.length] = { inFlight, latencyMs, measuredAtMs: NOW_MS - idleMs };
      totalInFlight += inFlight;
    }
    const tried = given.tried ?? [];
    return {
      keyHash: hashText(bytes(given.key ?? "")),
      random: given.random ?? 0,
      tried,
      triedCount: tried.length,
      loads,
      totalInFlight: given.totalInFlight ?? totalInFlight,
      nowMs: NOW_MS,
    };
  };

  return {
    fadedLatency,
    nextLatency,
    isIpv4,
    isIpv6,
    isIpLiteral,
    isDnsName,
    isName,
    isMetadataKey,
    isText,
    isIntegerWithin,
    roundHalfUp,
    mix32,
    hashText: (text: string) => hashText(bytes(text)),
    hashTextAgain: (text: string) => hashTextAgain(bytes(text)),
    escapeText,
    formatPercent,
    parseHashOn,
    checkPolicy,
    checkMetadata,
    checkOverride,
    checkServiceList,
    checkSnapshot,
    judgeSnapshot,
    shrinks,
    scoredWeight,
    fallbackStep,
    nextFallbackStepAge,
    fallbackWeight,
    isLive,
    modeOf,
    stateOf,
    shares,
    buildServiceList,
    sameServiceList,
    algorithmInForce,
    weightsInForce,
    buildAliasTable,
    buildHashRing,
    buildRoundRobin,
    explain: (list: ServiceList, situation: Situation, key: string) => explain(list, situation, bytes(key)),

    /** A plan but for its costs, which are only room for those of a pick. */
    preparePlan: (list: ServiceList, situation: Situation, start: number) => {
      const { costs: _, ...plan } = preparePlan(list, situation, start);
      return plan;
    },

    /** The columns that a list of random numbers draws. */
    drawAliases: (weights: readonly number[], randoms: readonly number[]) => {
      const table = buildAliasTable(weights);
      const drawn: number[] = [];
      for (const random of randoms) drawn[drawn.length] = drawAlias(table, random);
      return drawn;
    },

    /** Whose turn it is, `count` times in a row. */
    takeTurns: (weights: readonly number[], start: number, count: number) => {
      const order = buildRoundRobin(weights, start);
      const turns: number[] = [];
      for (let i = 0; i < count; i++) turns[turns.length] = nextInTurn(order);
      return turns;
    },

    /** The owners of keys. */
    ringPicks: (ids: readonly string[], weights: readonly number[], requests: readonly RequestCase[]) => {
      const ring = buildHashRing(ids, weights);
      let totalWeight = 0;
      for (const weight of weights) totalWeight += weight;
      const picks: string[] = [];
      for (const given of requests) {
        const index = pickFromRing(ring, weights, totalWeight, request(given));
        picks[picks.length] = index < 0 ? "nobody" : ids[index]!;
      }
      return picks;
    },

    /** The peers in the order in which a key would try them. */
    ringOrder: (ids: readonly string[], weights: readonly number[], key: string) =>
      ringOrder(buildHashRing(ids, weights), weights, hashText(bytes(key))),

    /** The ids of the peers that take one request after the other. */
    planPicks: (list: ServiceList, situation: Situation, start: number, requests: readonly RequestCase[]) => {
      const plan = preparePlan(list, situation, start);
      const picks: string[] = [];
      for (const given of requests) {
        const index = pickPeer(plan, request(given));
        picks[picks.length] = index < 0 ? "nobody" : plan.ids[index]!;
      }
      return picks;
    },
  };
}

export type FunctionName = keyof ReturnType<typeof functionsOfCore>;
