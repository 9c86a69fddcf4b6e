import fc from "fast-check";
import { damaged } from "./damaged.ts";
import type { FunctionName } from "./functions.ts";
import { idleMs, latencyMs, list, listMode, mode, picks, requests, served, snapshot } from "./lists.ts";
import { ejection, limit, policy, retries, rules, rulesWithRequests, shortPolicy, source } from "./policies.ts";
import { allowedRegex, likelyRegex, subject, unlikelyRegex } from "./regexes.ts";
import {
  address,
  ageMs,
  baseWeight,
  evenly,
  halfLifeMs,
  junk,
  longText,
  metadata,
  name,
  named,
  nowMs,
  override,
  peer,
  peers,
  port,
  random,
  score,
  step,
  subset,
  text,
  weights,
} from "./values.ts";

const each = (...values: fc.Arbitrary<unknown>[]): fc.Arbitrary<unknown[]> => fc.tuple(...values);
const orNone = (value: fc.Arbitrary<unknown>) => fc.option(value, { nil: undefined });

const position = fc.record({ epoch: fc.constantFrom("e1", "e2"), revision: fc.nat(3) });
const candidate = fc.record(
  {
    id: name,
    name: text,
    address,
    port,
    weight: baseWeight,
    metadata,
    score,
    chosen: fc.boolean(),
    override,
  },
  { requiredKeys: ["id", "name", "address", "port", "weight", "metadata", "score", "chosen"] },
);
const anySource = fc.oneof(
  text,
  source,
  fc
    .tuple(fc.constantFrom("header:", "cookie:", "query:", "path"), fc.oneof(text, fc.stringMatching(/^[\w-]{1,9}$/)))
    .map(([from, rest]) => from + rest),
);
const KNOWN = ["weight", "other"];
const wholeOrNot = fc.oneof(junk, fc.integer({ min: -9, max: 99 }));
const knownFields = fc.record({ weight: wholeOrNot, other: wholeOrNot }, { requiredKeys: [] });
/** With one key at most that is not known: of several it depends on the runtime which is named. */
const record = fc
  .tuple(knownFields, fc.option(fc.oneof(fc.constantFrom("constructor", "__proto__"), text)))
  .map(([fields, key]) =>
    Object.fromEntries([...Object.entries(fields), ...(key === null ? [] : [[key, 1] as const])]),
  );
const least = fc.integer({ min: -5, max: 5 });
const most = fc.integer({ min: 5, max: 70_000 });

const settings = fc.record({
  consecutiveFailures: evenly(6),
  unanswered: evenly(6),
  errorPercent: evenly(100),
  baseMs: fc.integer({ min: 100, max: 20_000 }),
  maxMs: fc.integer({ min: 100, max: 3_600_000 }),
  maxEjectedPercent: evenly(100),
});
const times = fc.oneof(evenly(20), fc.nat(2_000_000));
const run = fc.record({ consecutiveFailures: evenly(8), unanswered: evenly(8) });
const use = fc.record({ requests: evenly(200), retries: evenly(40) });
const fullAtMs = fc.oneof(nowMs, fc.constant(0), fc.double({ min: 1.6e12, max: 1.8e12, noNaN: true }));

/** Arguments for every function: bad ones where it takes values from outside, else any that its contract allows. */
export const GENERATORS: Readonly<Record<FunctionName, fc.Arbitrary<readonly unknown[]>>> = {
  fadedLatency: each(latencyMs, idleMs, evenly(40_000)),
  nextLatency: each(latencyMs, idleMs, latencyMs, evenly(40_000)),
  isIpv4: each(fc.oneof(fc.ipV4(), fc.ipV4Extended(), text)),
  isIpv6: each(
    fc.oneof(
      fc.ipV6(),
      fc.string({ unit: fc.constantFrom(..."01aF:::."), maxLength: 20 }),
      fc.constantFrom("::1.2.3.4"),
    ),
  ),
  isIpLiteral: each(fc.oneof(address, junk)),
  isDnsName: each(fc.oneof(fc.domain(), fc.string({ unit: fc.constantFrom(..."aZ0-.."), maxLength: 12 }), junk)),
  isName: each(fc.oneof(name, junk, longText)),
  isMetadataKey: each(fc.oneof(name, junk, longText)),
  isText: each(fc.oneof(longText, junk)),
  isIntegerWithin: each(fc.oneof(junk, fc.integer({ min: -9, max: 99 })), least, most),
  roundHalfUp: each(
    fc.oneof(
      fc.integer(),
      fc.double({ min: -1e9, max: 1e9, noNaN: true }),
      evenly(9999).map((eighths) => eighths / 8 - 600),
    ),
  ),
  mix32: each(fc.oneof(fc.nat(), fc.integer({ min: 0, max: 4_294_967_295 }))),
  hashText: each(fc.oneof(text, longText)),
  hashShortText: each(fc.oneof(text, longText), fc.constantFrom(1_664_525, 1_140_671)),
  escapeText: each(fc.oneof(text, longText)),
  formatPercent: each(random),
  formatSubset: each(fc.oneof(subset, fc.dictionary(fc.stringMatching(/^[a-z0-9]([.\w-]?[A-Z])?$/), text))),
  checkWhole: each(name, record, fc.constantFrom(...KNOWN), least, most),
  checkObject: each(name, fc.oneof(record, junk), fc.constantFrom(KNOWN, [...KNOWN, "__proto__"])),
  parseSource: each(anySource),
  checkSource: each(name, fc.oneof(anySource, junk)),
  isVariableName: each(fc.oneof(fc.stringMatching(/^[\w-]{1,66}$/), text, longText), fc.boolean()),
  checkRegex: each(fc.oneof({ arbitrary: likelyRegex, weight: 3 }, unlikelyRegex, text, longText)),
  checkRules: each(damaged(rules)),
  checkPolicy: each(fc.oneof(damaged(policy), damaged(shortPolicy))),
  checkMetadata: each(damaged(metadata)),
  checkOverride: each(damaged(override)),
  checkServiceList: each(damaged(list)),
  checkSnapshot: each(damaged(snapshot)),
  judgeSnapshot: each(
    orNone(position),
    fc.array(fc.constantFrom("e1", "e2", "e0"), { maxLength: 2 }),
    fc.tuple(position, fc.boolean()).map(([at, full]) => ({ ...at, full })),
  ),
  shrinks: fc
    .tuple(peers, peers, evenly(8), fc.boolean())
    .map(([before, others, kept, more]) => [before, [...before.slice(0, kept), ...(more ? others : [])]]),
  ejectionSettings: each(orNone(ejection)),
  failsInARow: each(run, settings),
  failsTooOften: each(evenly(60), evenly(60), settings),
  ejectionMs: each(times, random, settings),
  rememberedTimes: each(times, fc.oneof(ageMs, fc.nat()), settings),
  isPanic: each(evenly(20), evenly(20), settings),
  isFailure: each(fc.integer({ min: 100, max: 599 })),
  isGrpcFailure: each(orNone(fc.oneof(evenly(17).map(String), text))),
  isIdempotent: each(fc.oneof(fc.constantFrom("GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "get"), text)),
  isWithinBudget: each(use, orNone(retries)),
  fullAfterRequest: each(fullAtMs, nowMs, limit),
  isAdmitted: each(fullAtMs, nowMs, limit),
  tokensLeft: each(fullAtMs, nowMs, limit),
  retryAfterSeconds: each(fullAtMs, nowMs, limit),
  resetSeconds: each(fullAtMs, nowMs),
  scoredWeight: each(baseWeight, score),
  fallbackStep: each(ageMs, halfLifeMs),
  nextFallbackStepAge: each(step, halfLifeMs),
  fallbackWeight: each(peer, step, nowMs),
  isLive: each(orNone(override), nowMs),
  modeOf: each(listMode, fc.integer({ min: -10_000, max: 10_000 }), fc.constantFrom(0, 5000)),
  stateOf: each(peer, fc.constantFrom(0, 0, 7), fc.boolean()),
  buildServiceList: each(
    fc.nat(),
    orNone(policy),
    fc.uniqueArray(candidate, { maxLength: 8, selector: ({ id }) => id }),
  ),
  sameServiceList: fc
    .tuple(list, list, list, fc.constantFrom("version", "mode", "policy", "instances", "none"))
    .map(([one, other, third, key]) => [one, key === "none" ? third : { ...one, [key]: other[key] }]),
  algorithmInForce: each(policy, mode),
  weightsInForce: served,
  validUntil: served,
  healthOf: served,
  sharesOf: served,
  isInSubset: each(peer, subset),
  prepareRules: each(rules),
  matchingRules: rulesWithRequests,
  regexMatches: each(allowedRegex, fc.array(subject, { minLength: 1, maxLength: 10 })),
  preparePlan: fc
    .tuple(served, random, fc.infiniteStream(baseWeight), fc.boolean())
    .map(([[any, where], start, stream, given]) => {
      const { instances } = any as { instances: readonly object[] };
      return [any, where, start, ...(given ? [[...stream.take(instances.length)]] : [])];
    }),
  prepareRouting: fc.tuple(served, random).map(([[any, where], start]) => [any, where, start]),
  buildAliasTable: each(weights),
  buildHashRing: named.map(([ids, values]) => [ids.slice(0, 3), values.slice(0, 3)]),
  buildRoundRobin: each(weights, random),
  explain: fc.tuple(served, text).map(([[any, where], key]) => [any, where, key]),
  drawAliases: each(weights, fc.array(random, { minLength: 20, maxLength: 50 })),
  takeTurns: each(weights, random, fc.integer({ min: 1, max: 200 })),
  ringPicks: fc.tuple(named, requests).map(([[ids, values], given]) => [ids, values, given]),
  ringOrder: fc.tuple(named, text).map(([[ids, values], key]) => [ids, values, key]),
  planPicks: picks,
  routedPicks: picks,
};
