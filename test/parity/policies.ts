import fc from "fast-check";
import { ALGORITHMS, type Policy, type Rule } from "../../lua/core/types.ts";
import { evenly, port, subset, text } from "./values.ts";

/** Policies and their sections, all of them valid. */

export const source = fc.constantFrom("header:x-user-id", "cookie:user", "query:u", "path", "address");
const match = fc.tuple(source, fc.constantFrom("equals", "prefix", "regex")).map(([from, operator]) => ({
  on: from === "address" ? "path" : from,
  [operator]: operator === "regex" ? "^v[12]" : "v1",
}));
const percent = fc.oneof(
  fc.constantFrom(0, 0.5, 33.3, 100),
  evenly(1000).map((tenths) => tenths / 10),
);
const withMatch = fc.record({ match, percent, hashOn: source, subset }, { requiredKeys: ["match", "subset"] });
const withoutMatch = fc.record(
  { percent: percent.map((all) => all / 4), hashOn: source, subset },
  { requiredKeys: ["percent", "subset"] },
);
const rule = fc.oneof(withMatch, withoutMatch) as fc.Arbitrary<Rule>;
export const rules = evenly(4).chain((count) => fc.array(rule, { minLength: count, maxLength: count }));

const upTo = (max: number) => fc.integer({ min: 1, max });
const percentage = fc.oneof(evenly(100), fc.constantFrom(0, 50, 100));
export const ejection = fc.record(
  {
    consecutiveFailures: evenly(1000),
    unanswered: evenly(1000),
    errorPercent: percentage,
    baseMs: fc.integer({ min: 100, max: 3_600_000 }),
    maxMs: fc.integer({ min: 100, max: 3_600_000 }),
    maxEjectedPercent: percentage,
  },
  { requiredKeys: [] },
);
export const retries = fc.record({ nonIdempotent: fc.boolean(), budgetPercent: percentage }, { requiredKeys: [] });
export const limit = fc.record({
  key: source,
  rate: fc.oneof(fc.constantFrom(0.001, 0.5, 3, 100), fc.double({ min: 0.001, max: 1e6, noNaN: true })),
  burst: fc.oneof(fc.constantFrom(1, 20), upTo(1_000_000)),
});
const timeouts = fc.record(
  { connectMs: upTo(60_000), perTryMs: upTo(86_400_000), overallMs: upTo(86_400_000), streamIdleMs: fc.constant(1000) },
  { requiredKeys: [] },
);
const coefficient = fc.double({ min: 0, max: 10, noNaN: true });
const sections = {
  hashOn: source,
  maxAttempts: upTo(10),
  top: upTo(20_000),
  statusPort: port,
  slowStartMs: fc.integer({ min: 0, max: 3_600_000 }),
  score: fc.record({ cpu: coefficient, errors: coefficient, inFlight: coefficient }, { requiredKeys: [] }),
  timeouts,
  retries,
  ejection,
  rules,
  limit,
  sticky: fc.record({ cookie: fc.stringMatching(/^\w{1,9}$/) }),
};
const algorithm = fc.constantFrom(...ALGORITHMS);
export const policy = fc
  .record({ algorithm, ...sections }, { requiredKeys: ["algorithm"] })
  .map((any) => (any.algorithm === "consistent-hash" ? { ...any, hashOn: "path" } : any)) as fc.Arbitrary<Policy>;

/** A policy of one section, so that damage is in it. */
export const shortPolicy = fc
  .constantFrom(...(Object.keys(sections) as (keyof typeof sections)[]))
  .chain((key) => (sections[key] as fc.Arbitrary<unknown>).map((value) => ({ algorithm: "best", [key]: value })));

/** Rules, and requests with a value and a key for each of them. */
export const rulesWithRequests = rules.chain((some) => {
  const values = some.map(({ match }) =>
    fc.oneof({ arbitrary: fc.constantFrom("", match?.regex ?? "v1", "v1.2"), weight: 4 }, text),
  );
  const request = fc.record({ values: fc.tuple(...values), keys: fc.tuple(...values.map(() => text)) });
  return fc.tuple(fc.constant(some), fc.array(request, { minLength: 1, maxLength: 12 }));
});
