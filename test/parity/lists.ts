import fc from "fast-check";
import { policy } from "./policies.ts";
import { ageMs, evenly, halfLifeMs, NOW_MS, name, nowMs, peer, peers, random, someWeight, text } from "./values.ts";

/** Lists, the situations in which they are served, and requests to their peers. */

export const listMode = fc.constantFrom("normal", "manual");
export const mode = fc.constantFrom("normal", "manual", "fallback");
export const list = fc.record({ version: fc.nat(), mode: listMode, policy, instances: peers });
const situation = fc.record(
  { mode, nowMs, listAgeMs: ageMs, halfLifeMs },
  { requiredKeys: ["mode", "nowMs", "listAgeMs"] },
);
const untilMs = fc.integer({ min: NOW_MS - 9000, max: NOW_MS + 9000 });

/** A list and a situation in which none, some or all of its peers are ejected, and a peer that is gone. */
export const served = fc.tuple(list, situation, evenly(9), untilMs).map(([any, where, part, until]) => {
  const ejected = any.instances.filter((_, i) => part >= 8 || i % 4 < part - 4).map(({ id }) => [id, until]);
  return [any, part < 3 ? where : { ...where, ejectedUntilMs: Object.fromEntries([...ejected, ["gone", until]]) }];
});

const byLoad = fc.constantFrom("adaptive", "least-request").map((algorithm) => ({ algorithm }));
const normally = fc.record({ mode: fc.constant("normal"), nowMs, listAgeMs: ageMs });
const servedByLoad = fc.tuple(list, byLoad, normally).map(([any, policy, where]) => [{ ...any, policy }, where]);
/** Around the number of peers beyond which not all of them are looked at. */
const crowd = fc
  .tuple(peer, fc.array(someWeight, { minLength: 30, maxLength: 50 }), byLoad, normally)
  .map(([any, weights, policy, where]) => {
    const instances = weights.map((weight, i) => ({ ...any, id: `instance-${i + 1}`, weight }));
    return [{ version: 1, mode: "normal", policy, instances }, where];
  });

export const latencyMs = fc.oneof(
  { arbitrary: evenly(16_000).map((eighths) => eighths / 8), weight: 6 },
  fc.double({ min: 0, max: 1e9, noNaN: true }),
  fc.constantFrom(0, 5, 1e12),
);
export const idleMs = fc.oneof({ arbitrary: evenly(40_000), weight: 6 }, fc.constantFrom(0, -1000, 1e12));
const inFlight = fc.oneof(evenly(3), fc.nat(300), fc.constant(0));

/** Requests to at most so many peers; the router may know of fewer, or of more, than there are. */
function requestsTo(peers: number) {
  const ofEach = <Value>(value: fc.Arbitrary<Value>) =>
    evenly(peers).chain((count) => fc.array(value, { minLength: count, maxLength: count }));
  const request = fc.record({
    key: text,
    values: fc.array(fc.constantFrom("", "v1", "v1.2", "^v[12]"), { maxLength: 4 }),
    random,
    tried: fc.uniqueArray(evenly(peers), { maxLength: 5 }),
    inFlight: ofEach(inFlight),
    latencyMs: ofEach(latencyMs),
    idleMs: ofEach(idleMs),
  });
  return fc.array(request, { minLength: 1, maxLength: 12 });
}
export const requests = requestsTo(8);

/** A list, a situation, where round robin begins, and requests. */
export const picks = fc
  .oneof(
    fc.tuple(served, random, requests),
    fc.tuple(servedByLoad, random, requests),
    fc.tuple(crowd, random, requestsTo(50)),
  )
  .map(([[any, where], start, given]) => [any, where, start, given]);

export const snapshot = fc.record({
  schema: fc.constant(1),
  epoch: name,
  revision: fc.nat(),
  full: fc.boolean(),
  services: fc.dictionary(name, list, { maxKeys: 3 }),
  removed: fc.array(name, { maxLength: 2 }),
});
