import fc from "fast-check";
import { ALGORITHMS, type Peer } from "../../lua/core/types.ts";
import type { FunctionName } from "./functions.ts";

const NOW_MS = 1_700_000_000_000;
const UGLY = [
  "",
  "__proto__",
  "constructor",
  "toString",
  "length",
  "a\nb",
  '"',
  "{",
  "\\",
  "\u0000",
  "\u212a",
  "Zürich",
  "日本",
];

const name = fc.stringMatching(/^[a-z0-9]([a-z0-9._-]{0,8}[a-z0-9])?$/);
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 24 }),
  fc.string({ unit: fc.constantFrom(..."az09AZ.:-_/ %\n"), maxLength: 24 }),
  fc.constantFrom(...UGLY),
  name,
);
const longText = fc
  .tuple(fc.constantFrom("a", "ü", "日", "😀"), fc.nat(600))
  .map(([unit, count]) => unit.repeat(count));
const number = fc.oneof(fc.double(), fc.integer({ min: -3, max: 70_000 }), fc.constantFrom(Number.NaN, -0, 0.5));
const scalar = fc.oneof(text, number, fc.boolean(), fc.constant(null), fc.constant(undefined));
const listed = scalar.filter((value) => value !== undefined);
const junk = fc.oneof(scalar, fc.array(listed, { maxLength: 2 }), fc.dictionary(text, scalar, { maxKeys: 1 }));

// Doubles are drawn by their bits, most of them next to 0; and what is drawn at large is drawn near its bounds too often.
const evenly = (max: number) => fc.noBias(fc.nat(max));
const random = fc.oneof(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
  arbitrary: evenly(2 ** 31 - 1).map((part) => part / 2 ** 31),
  weight: 4,
});
const score = fc.oneof(random, fc.constantFrom(0, 1, 0.5));
const baseWeight = fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.constantFrom(0, 1, 100));
const someWeight = fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 65_535 }), fc.constant(100));
const weights = evenly(11).chain((more) => fc.array(someWeight, { minLength: more + 1, maxLength: more + 1 }));
const nowMs = fc.integer({ min: NOW_MS - 1000, max: NOW_MS + 1000 });
const ageMs = fc.oneof(fc.integer({ min: -10_000, max: 1_000_000 }), fc.double({ min: 0, max: 800_000, noNaN: true }));
const halfLifeMs = fc.oneof(fc.constant(60_000), fc.integer({ min: 1, max: 200_000 }));
const step = fc.integer({ min: 0, max: 144 });

const override = fc.record(
  { weight: fc.oneof(baseWeight, fc.constant(0)), by: name, reason: text, at: nowMs, expiresAt: nowMs },
  { requiredKeys: ["weight", "by", "reason", "at"] },
);
const metadata = fc.dictionary(fc.oneof(name, fc.constantFrom("constructor", "toString")), text, { maxKeys: 3 });
const address = fc.oneof(fc.ipV4(), fc.ipV6());
const port = fc.integer({ min: 1, max: 65_535 });
const peer: fc.Arbitrary<Peer> = fc.record(
  { id: name, name: text, address, port, baseWeight, score, weight: baseWeight, override, metadata },
  { requiredKeys: ["id", "name", "address", "port", "baseWeight", "score", "weight", "metadata"] },
);
const peers = evenly(7).chain((count) =>
  fc.uniqueArray(peer, { minLength: count, maxLength: count, selector: ({ id }) => id }),
);
const coefficient = fc.double({ min: 0, max: 10, noNaN: true });
const policy = fc
  .record(
    {
      algorithm: fc.constantFrom(...ALGORITHMS),
      hashOn: fc.constant("header:x-user-id"),
      maxAttempts: fc.integer({ min: 1, max: 10 }),
      top: fc.integer({ min: 1, max: 20_000 }),
      statusPort: port,
      slowStartMs: fc.integer({ min: 0, max: 3_600_000 }),
      score: fc.record({ cpu: coefficient, errors: coefficient, inFlight: coefficient }, { requiredKeys: [] }),
    },
    { requiredKeys: ["algorithm"] },
  )
  .map((any) => (any.algorithm === "consistent-hash" ? { ...any, hashOn: "path" } : any));
const listMode = fc.constantFrom("normal", "manual");
const mode = fc.constantFrom("normal", "manual", "fallback");
const list = fc.record({ version: fc.nat(), mode: listMode, policy, instances: peers });
const situation = fc.record(
  { mode, nowMs, listAgeMs: ageMs, halfLifeMs },
  { requiredKeys: ["mode", "nowMs", "listAgeMs"] },
);
const candidate = fc.record(
  { id: name, name: text, address, port, weight: baseWeight, metadata, score, chosen: fc.boolean(), override },
  { requiredKeys: ["id", "name", "address", "port", "weight", "metadata", "score", "chosen"] },
);
const latencyMs = fc.oneof(
  { arbitrary: evenly(16_000).map((eighths) => eighths / 8), weight: 6 },
  fc.double({ min: 0, max: 1e9, noNaN: true }),
  fc.constantFrom(0, 5, 1e308, Number.POSITIVE_INFINITY, Number.NaN),
);
const idleMs = fc.oneof({ arbitrary: evenly(40_000), weight: 6 }, fc.constantFrom(0, -1000, 1e12));
const inFlight = fc.oneof(evenly(3), fc.nat(300), fc.constant(0));
/** Requests to at most so many peers; the router may know of fewer, or of more, than there are. */
function requestsTo(peers: number) {
  const ofEach = <Value>(value: fc.Arbitrary<Value>) =>
    evenly(peers).chain((count) => fc.array(value, { minLength: count, maxLength: count }));
  const request = fc.record({
    key: text,
    random,
    tried: fc.uniqueArray(evenly(peers), { maxLength: 5 }),
    inFlight: ofEach(inFlight),
    latencyMs: ofEach(latencyMs),
    idleMs: ofEach(idleMs),
  });
  return fc.array(request, { minLength: 1, maxLength: 12 });
}
const requests = requestsTo(8);
const byLoad = fc.constantFrom("adaptive", "least-request").map((algorithm) => ({ algorithm }));
const listByLoad = fc.tuple(list, byLoad).map(([any, policy]) => ({ ...any, policy }));
/** Around the number of peers beyond which not all of them are looked at. */
const crowd = fc
  .tuple(peer, fc.array(someWeight, { minLength: 30, maxLength: 50 }), byLoad)
  .map(([any, weights, policy]) => {
    const instances = weights.map((weight, i) => ({ ...any, id: `instance-${i + 1}`, weight }));
    return { version: 1, mode: "normal", policy, instances };
  });
const normally = fc.record({ mode: fc.constant("normal"), nowMs, listAgeMs: ageMs });
const snapshot = fc.record({
  schema: fc.constant(1),
  epoch: name,
  revision: fc.nat(),
  full: fc.boolean(),
  services: fc.dictionary(name, list, { maxKeys: 3 }),
  removed: fc.array(name, { maxLength: 2 }),
});
const position = fc.record({ epoch: fc.constantFrom("e1", "e2"), revision: fc.nat(3) });
const named = weights.map((values) => [values.map((_, i) => `instance-${i + 1}`), values] as const);

/** A valid value, or one with one thing in it, at any depth, replaced, taken away or added. */
function damaged(valid: fc.Arbitrary<object>): fc.Arbitrary<unknown> {
  const damage = fc.record({
    path: fc.array(evenly(1000), { minLength: 6, maxLength: 6 }),
    kind: fc.constantFrom("replace", "remove", "add"),
    key: text,
    value: junk,
  });
  return fc.oneof(valid, junk, {
    weight: 4,
    arbitrary: fc.tuple(valid, damage).map(([value, { path, kind, key, value: bad }]) => {
      const copy = structuredClone(value) as Record<string, unknown>;
      let at = copy;
      let field = "";
      for (const [depth, choice] of path.entries()) {
        const keys = Object.keys(at);
        if (keys.length === 0) break;
        field = keys[choice % keys.length]!;
        const inside = at[field];
        if (choice % 5 === 0 || depth === path.length - 1 || typeof inside !== "object" || inside === null) break;
        if (Object.keys(inside).length === 0) break;
        at = inside as Record<string, unknown>;
      }
      if (Array.isArray(at)) at.splice(Number(field), 1, ...(kind === "remove" || bad === undefined ? [] : [bad]));
      else if (kind === "remove") delete at[field];
      else
        Object.defineProperty(at, kind === "add" ? key : field, { value: bad, enumerable: true, configurable: true });
      return copy;
    }),
  });
}

const each = (...values: fc.Arbitrary<unknown>[]): fc.Arbitrary<unknown[]> => fc.tuple(...values);

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
  isIntegerWithin: each(
    fc.oneof(junk, fc.integer({ min: -9, max: 99 })),
    fc.integer({ min: -5, max: 5 }),
    fc.integer({ min: 5, max: 70_000 }),
  ),
  roundHalfUp: each(
    fc.oneof(
      fc.integer(),
      fc.double({ min: -1e9, max: 1e9, noNaN: true }),
      evenly(9999).map((eighths) => eighths / 8 - 600),
    ),
  ),
  mix32: each(fc.oneof(fc.nat(), fc.integer({ min: 0, max: 4_294_967_295 }))),
  hashText: each(fc.oneof(text, longText)),
  hashTextAgain: each(fc.oneof(text, longText)),
  escapeText: each(fc.oneof(text, longText)),
  formatPercent: each(random),
  parseHashOn: each(
    fc.oneof(
      text,
      fc
        .tuple(
          fc.constantFrom("header:", "cookie:", "query:", "path"),
          fc.oneof(text, fc.stringMatching(/^[\w-]{1,9}$/)),
        )
        .map(([from, named]) => from + named),
    ),
  ),
  checkPolicy: each(damaged(policy)),
  checkMetadata: each(damaged(metadata)),
  checkOverride: each(damaged(override)),
  checkServiceList: each(damaged(list)),
  checkSnapshot: each(damaged(snapshot)),
  judgeSnapshot: each(
    fc.option(position, { nil: undefined }),
    fc.array(fc.constantFrom("e1", "e2", "e0"), { maxLength: 2 }),
    fc.tuple(position, fc.boolean()).map(([at, full]) => ({ ...at, full })),
  ),
  shrinks: fc
    .tuple(peers, peers, evenly(8), fc.boolean())
    .map(([before, others, kept, more]) => [before, [...before.slice(0, kept), ...(more ? others : [])]]),
  scoredWeight: each(baseWeight, score),
  fallbackStep: each(ageMs, halfLifeMs),
  nextFallbackStepAge: each(step, halfLifeMs),
  fallbackWeight: each(peer, step, nowMs),
  isLive: each(fc.option(override, { nil: undefined }), nowMs),
  modeOf: each(listMode, fc.integer({ min: -10_000, max: 10_000 }), fc.constantFrom(0, 5000)),
  stateOf: each(peer, fc.constantFrom(0, 0, 7)),
  shares: each(fc.array(baseWeight, { maxLength: 12 })),
  buildServiceList: each(
    fc.nat(),
    fc.option(policy, { nil: undefined }),
    fc.uniqueArray(candidate, { maxLength: 8, selector: ({ id }) => id }),
  ),
  sameServiceList: fc
    .tuple(list, list, list, fc.constantFrom("version", "mode", "policy", "instances", "none"))
    .map(([one, other, third, field]) => [one, field === "none" ? third : { ...one, [field]: other[field] }]),
  algorithmInForce: each(policy, mode),
  weightsInForce: each(list, situation),
  preparePlan: each(list, situation, random),
  buildAliasTable: each(weights),
  buildHashRing: named.map(([ids, values]) => [ids.slice(0, 3), values.slice(0, 3)]),
  buildRoundRobin: each(weights, random),
  explain: each(list, situation, text),
  drawAliases: each(weights, fc.array(random, { minLength: 20, maxLength: 50 })),
  takeTurns: each(weights, random, fc.integer({ min: 1, max: 200 })),
  ringPicks: fc.tuple(named, requests).map(([[ids, values], given]) => [ids, values, given]),
  ringOrder: fc.tuple(named, text).map(([[ids, values], key]) => [ids, values, key]),
  planPicks: fc.oneof(
    each(list, situation, random, requests),
    each(listByLoad, normally, random, requests),
    each(crowd, normally, random, requestsTo(50)),
  ),
};
