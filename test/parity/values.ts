import fc from "fast-check";
import type { Peer } from "../../lua/core/types.ts";

/** Values as they come from outside or from the other parts: names, numbers, peers. */

export const NOW_MS = 1_700_000_000_000;

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

export const name = fc.stringMatching(/^[a-z0-9]([a-z0-9._-]{0,8}[a-z0-9])?$/);
export const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 24 }),
  fc.string({ unit: fc.constantFrom(..."az09AZ.:-_/ %\n"), maxLength: 24 }),
  fc.constantFrom(...UGLY),
  name,
);
export const longText = fc
  .tuple(fc.constantFrom("a", "ü", "日", "😀"), fc.nat(600))
  .map(([unit, count]) => unit.repeat(count));
const number = fc.oneof(fc.double(), fc.integer({ min: -3, max: 70_000 }), fc.constantFrom(Number.NaN, -0, 0.5));
const scalar = fc.oneof(text, number, fc.boolean(), fc.constant(null), fc.constant(undefined));
const listed = scalar.filter((value) => value !== undefined);
export const junk = fc.oneof(scalar, fc.array(listed, { maxLength: 2 }), fc.dictionary(text, scalar, { maxKeys: 1 }));

/** Not as fast-check draws at large: doubles by their bits, most of them next to 0, and whole numbers near their bounds. */
export const evenly = (max: number) => fc.noBias(fc.nat(max));
/** 0 <= random < 1 */
export const random = fc.oneof(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
  arbitrary: evenly(2 ** 31 - 1).map((part) => part / 2 ** 31),
  weight: 4,
});
export const score = fc.oneof(random, fc.constantFrom(0, 1, 0.5));
export const baseWeight = fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.constantFrom(0, 1, 100));
export const someWeight = fc.oneof(
  fc.integer({ min: 1, max: 10 }),
  fc.integer({ min: 1, max: 65_535 }),
  fc.constant(100),
);
export const weights = evenly(11).chain((more) => fc.array(someWeight, { minLength: more + 1, maxLength: more + 1 }));
/** Ids and their weights, as many of the one as of the other. */
export const named = weights.map((values) => [values.map((_, i) => `instance-${i + 1}`), values] as const);

export const nowMs = fc.integer({ min: NOW_MS - 1000, max: NOW_MS + 1000 });
export const ageMs = fc.oneof(
  fc.integer({ min: -10_000, max: 1_000_000 }),
  fc.double({ min: 0, max: 800_000, noNaN: true }),
);
export const halfLifeMs = fc.oneof(fc.constant(60_000), fc.integer({ min: 1, max: 200_000 }));
export const step = fc.integer({ min: 0, max: 144 });

export const override = fc.record(
  { weight: fc.oneof(baseWeight, fc.constant(0)), by: name, reason: text, at: nowMs, expiresAt: nowMs },
  { requiredKeys: ["weight", "by", "reason", "at"] },
);
const entries = { version: fc.constantFrom("v1", "v2", "v3"), zone: fc.constantFrom("a", "b") };
/** Of few values, so that there are instances in it. */
export const subset = fc.oneof(
  { arbitrary: fc.record(entries, { requiredKeys: ["version"] }), weight: 4 },
  fc.record({ zone: entries.zone }),
  fc.dictionary(fc.constantFrom("constructor", "toString", "Zone", "z-1"), text, { minKeys: 1, maxKeys: 3 }),
);
export const metadata = fc.oneof(
  { arbitrary: fc.record(entries, { requiredKeys: [] }), weight: 2 },
  fc.dictionary(fc.oneof(name, fc.constantFrom("constructor", "toString")), text, { maxKeys: 3 }),
);
export const address = fc.oneof(fc.ipV4(), fc.ipV6());
export const port = fc.integer({ min: 1, max: 65_535 });
const id = fc.oneof({ arbitrary: name, weight: 9 }, fc.constant("constructor"));
export const peer: fc.Arbitrary<Peer> = fc.record(
  { id, name: text, address, port, baseWeight, score, weight: baseWeight, override, metadata },
  { requiredKeys: ["id", "name", "address", "port", "baseWeight", "score", "weight", "metadata"] },
);
export const peers = evenly(7).chain((count) =>
  fc.uniqueArray(peer, { minLength: count, maxLength: count, selector: ({ id }) => id }),
);
