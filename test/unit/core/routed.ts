import fc from "fast-check";
import { hashText } from "../../../lua/core/hash.ts";
import type { Plan, Situation } from "../../../lua/core/plan.ts";
import { prepareRouting, type Routing } from "../../../lua/core/routing.ts";
import { matchingRule, type PreparedRule } from "../../../lua/core/rules.ts";
import type { Algorithm, Policy, Rule, ServiceList } from "../../../lua/core/types.ts";
import { FRESH, listOf, pickId, policyOf, weightsWithZeros } from "./fixtures.ts";

/** What a request has that rules look at. */
interface Asked {
  readonly user?: string;
  /** By source, such as `header:x-beta`. */
  readonly has?: Readonly<Record<string, string>>;
}

/** The index of the rule that takes a request, -1 for none; every rule goes by the same user. */
export function ruleFor(rules: readonly PreparedRule[], { user = "", has = {} }: Asked): number {
  const values = rules.map(({ match }) => (match === undefined ? "" : (has[match.on] ?? "")));
  const keyHash = hashText(user);
  const keyHashes = rules.map(() => keyHash);
  return matchingRule(rules, { values, keyHashes }, (value, regex) => new RegExp(regex).test(value));
}

export function planFor(routing: Routing, asked: Asked): Plan {
  const rule = ruleFor(routing.rules, asked);
  return routing.plans[rule < 0 ? 0 : routing.planOfRule[rule]!]!;
}

/** The id that takes a request, through the rules; undefined when nobody does. */
export function routedTo(routing: Routing, asked: Asked = {}, random = 0): string | undefined {
  return pickId(planFor(routing, asked), { keyHash: hashText(asked.user ?? ""), random });
}

/** A list of `demo-1`, `demo-2` and so on, of which each has this version. */
export function versionedList(versions: readonly string[], policy: Partial<Policy>): ServiceList {
  const list = listOf("weighted-random", new Array<number>(versions.length).fill(100));
  const instances = list.instances.map((peer, i) => ({ ...peer, metadata: { version: versions[i]! } }));
  return { ...list, policy: { ...list.policy, ...policy }, instances };
}

/** FRESH, with these instances ejected. */
export function ejecting(...ids: readonly string[]): Situation {
  return { ...FRESH, ejectedUntilMs: Object.fromEntries(ids.map((id) => [id, FRESH.nowMs + 2000])) };
}

/** Everybody who takes some request, whatever it has. */
export function servingIds(routing: Routing): Set<string> {
  const used = [routing.plans[0]!, ...routing.planOfRule.map((plan) => routing.plans[plan]!)];
  return new Set(used.flatMap(({ ids }) => ids));
}

const version = fc.constantFrom("v1", "v2", "v3");
const anySubset = fc.record({ version, zone: fc.constantFrom("a", "b") }, { requiredKeys: ["version"] });
const anyRule: fc.Arbitrary<Rule> = fc.oneof(
  fc.record({ percent: fc.integer({ min: 0, max: 30 }), subset: anySubset }),
  fc.record({ match: fc.constant({ on: "header:x-beta", equals: "1" }), subset: anySubset }),
);
const part = fc.constantFrom(0, 0, 0.3, 0.7, 1);

/** Lists with any rules, and situations in which any of their instances are ejected. */
export function anyServed(algorithm: Algorithm): fc.Arbitrary<{ list: ServiceList; situation: Situation }> {
  return fc
    .record({
      weights: weightsWithZeros,
      versions: fc.infiniteStream(version),
      zones: fc.infiniteStream(fc.constantFrom("a", "b")),
      rules: fc.array(anyRule, { maxLength: 3 }),
      chances: fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      part,
      maxEjectedPercent: fc.constantFrom(0, 50, 80, 100),
    })
    .map(({ weights, versions, zones, rules, chances, part, maxEjectedPercent }) => {
      const bare = listOf(algorithm, weights);
      const instances = bare.instances.map((peer) => ({
        ...peer,
        metadata: { version: versions.next().value, zone: zones.next().value },
      }));
      const ejected = instances.filter(() => chances.next().value < part).map(({ id }) => id);
      const policy: Policy = { ...policyOf(algorithm), rules, ejection: { maxEjectedPercent } };
      return { list: { ...bare, policy, instances }, situation: ejecting(...ejected) };
    });
}

/** The routing of a list as it is now. */
export function routingOf(list: ServiceList, situation: Situation = FRESH): Routing {
  return prepareRouting(list, situation, 0);
}
