import { isDnsName, isIpLiteral, isIpv4, isIpv6 } from "../../lua/core/address.ts";
import { buildAliasTable, drawAlias } from "../../lua/core/alias-table.ts";
import {
  ejectionMs,
  ejectionSettings,
  failsInARow,
  failsTooOften,
  isPanic,
  rememberedTimes,
} from "../../lua/core/ejection.ts";
import { explain, formatSubset } from "../../lua/core/explain.ts";
import { isFailure, isGrpcFailure } from "../../lua/core/failure.ts";
import { checkObject, checkWhole } from "../../lua/core/field-check.ts";
import { hashShortText, hashText, mix32 } from "../../lua/core/hash.ts";
import { buildHashRing, pickFromRing, ringOrder } from "../../lua/core/hash-ring.ts";
import { fadedLatency, nextLatency } from "../../lua/core/latency.ts";
import { isMetadataKey, isName } from "../../lua/core/names.ts";
import { isIntegerWithin, roundHalfUp } from "../../lua/core/numbers.ts";
import { pickPeer } from "../../lua/core/pick.ts";
import {
  algorithmInForce,
  type Plan,
  preparePlan,
  type Situation,
  validUntil,
  weightsInForce,
} from "../../lua/core/plan.ts";
import { checkPolicy } from "../../lua/core/policy.ts";
import { checkRegex } from "../../lua/core/regex-check.ts";
import { checkSource, isVariableName, parseSource } from "../../lua/core/request-source.ts";
import { isIdempotent, isWithinBudget } from "../../lua/core/retry.ts";
import { buildRoundRobin, nextInTurn } from "../../lua/core/round-robin.ts";
import { healthOf, isInSubset, prepareRouting, sharesOf } from "../../lua/core/routing.ts";
import { checkRules } from "../../lua/core/rule-check.ts";
import { matchingRule, prepareRules, type RegexTest } from "../../lua/core/rules.ts";
import { buildServiceList, sameServiceList } from "../../lua/core/service-list.ts";
import { checkMetadata, checkOverride, checkServiceList, checkSnapshot } from "../../lua/core/snapshot-check.ts";
import { judgeSnapshot, shrinks } from "../../lua/core/snapshot-order.ts";
import { escapeText, formatPercent, isText } from "../../lua/core/text.ts";
import {
  fullAfterRequest,
  isAdmitted,
  resetSeconds,
  retryAfterSeconds,
  tokensLeft,
} from "../../lua/core/token-bucket.ts";
import type { Rule, ServiceList } from "../../lua/core/types.ts";
import {
  fallbackStep,
  fallbackWeight,
  isLive,
  modeOf,
  nextFallbackStepAge,
  scoredWeight,
  stateOf,
} from "../../lua/core/weights.ts";
import { pickRequest, type RequestCase } from "./request-case.ts";

/** A plan but for its costs, which are only room for those of a pick. */
function withoutCosts(plan: Plan): Omit<Plan, "costs"> {
  const { costs: _, ...rest } = plan;
  return rest;
}

/**
 * Everything in lua/core that both runtimes must answer alike, by name. What is built once and then drawn from many
 * times is here as a function from the data to the draws.
 * @param bytes makes a byte string (see hash.ts) of a text: nothing to do in Lua
 * @param testRegex the runtime's own regular expressions
 */
export function functionsOfCore(bytes: (text: string) => string, testRegex: RegexTest) {
  const request = (given: RequestCase) => pickRequest(given, bytes);
  const keyHash = (text: string) => hashText(bytes(text));

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
    hashText: keyHash,
    hashShortText: (text: string, multiplier: number) => hashShortText(bytes(text), multiplier),
    escapeText,
    formatPercent,
    formatSubset,
    checkWhole,
    checkObject,
    parseSource,
    checkSource,
    isVariableName,
    checkRegex,
    checkRules,
    checkPolicy,
    checkMetadata,
    checkOverride,
    checkServiceList,
    checkSnapshot,
    judgeSnapshot,
    shrinks,
    ejectionSettings,
    failsInARow,
    failsTooOften,
    ejectionMs,
    rememberedTimes,
    isPanic,
    isFailure,
    isGrpcFailure,
    isIdempotent,
    isWithinBudget,
    fullAfterRequest,
    isAdmitted,
    tokensLeft,
    retryAfterSeconds,
    resetSeconds,
    scoredWeight,
    fallbackStep,
    nextFallbackStepAge,
    fallbackWeight,
    isLive,
    modeOf,
    stateOf,
    buildServiceList,
    sameServiceList,
    algorithmInForce,
    weightsInForce,
    validUntil,
    healthOf,
    sharesOf: (list: ServiceList, situation: Situation) =>
      sharesOf(list, healthOf(list, situation).weights, algorithmInForce(list.policy, situation.mode)),
    isInSubset,
    prepareRules,
    buildAliasTable,
    buildHashRing,
    buildRoundRobin,
    explain: (list: ServiceList, situation: Situation, key: string) => explain(list, situation, bytes(key)),

    preparePlan: (list: ServiceList, situation: Situation, start: number, weights?: readonly number[]) =>
      withoutCosts(preparePlan(list, situation, start, weights)),

    prepareRouting: (list: ServiceList, situation: Situation, start: number) => {
      const { plans, ...routing } = prepareRouting(list, situation, start);
      return { ...routing, plans: plans.map((plan) => withoutCosts(plan)) };
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
      ringOrder(buildHashRing(ids, weights), weights, keyHash(key)),

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

    /** Which texts match. */
    regexMatches: (regex: string, texts: readonly string[]) => texts.map((text) => testRegex(text, regex)),

    /** The index of the rule that takes each request, of which each rule sees a value and a key. */
    matchingRules: (
      rules: readonly Rule[],
      requests: readonly { readonly values: readonly string[]; readonly keys: readonly string[] }[],
    ) => {
      const prepared = prepareRules(rules);
      const matching: number[] = [];
      for (const { values, keys } of requests) {
        const keyHashes = keys.map((key) => keyHash(key));
        matching[matching.length] = matchingRule(prepared, { values, keyHashes }, testRegex);
      }
      return matching;
    },

    /** As planPicks, through the rules of the policy, of which all go by the same key. */
    routedPicks: (list: ServiceList, situation: Situation, start: number, requests: readonly RequestCase[]) => {
      const { rules, plans, planOfRule } = prepareRouting(list, situation, start);
      const picks: string[] = [];
      for (const given of requests) {
        const values = rules.map((_, i) => given.values?.[i] ?? "");
        const keyHashes = rules.map(() => keyHash(given.key ?? ""));
        const rule = matchingRule(rules, { values, keyHashes }, testRegex);
        const plan = plans[rule < 0 ? 0 : planOfRule[rule]!]!;
        const index = pickPeer(plan, request(given));
        picks[picks.length] = index < 0 ? "nobody" : plan.ids[index]!;
      }
      return picks;
    },
  };
}

export type FunctionName = keyof ReturnType<typeof functionsOfCore>;
