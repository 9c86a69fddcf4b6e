import { formatSubset } from "../../lua/core/explain.ts";
import type { Policy, Rule } from "../../lua/core/types.ts";
import { type CatalogService, policyOf, readCatalogOf } from "./catalog.ts";
import type { Outcome } from "./change.ts";
import type { Store } from "./etcd.ts";
import { requireService } from "./lookup.ts";
import { changePolicy } from "./policy.ts";
import type { Write } from "./registration.ts";
import { type RuleChange, type Subset, sameSubset, withoutSubset, withSubset } from "./rule-change.ts";

const ACTION = "canary";

export interface CanaryOutcome extends Outcome {
  /** What the user has likely not meant. */
  readonly warnings: readonly string[];
}

/** Changes what a subset gets, by rules of its service's policy. */
export async function setCanary(
  store: Store,
  service: string,
  change: RuleChange,
  write: Write,
): Promise<CanaryOutcome> {
  const warnings: string[] = [];
  const outcome = await changePolicy(
    store,
    service,
    (before, found) => {
      const policy = withRules(before, withSubset(before.rules ?? [], change));
      warnings.push(...warningsOf(service, found, policy, change));
      return policy;
    },
    { ...write, action: ACTION },
  );
  return { ...outcome, warnings };
}

export interface ClearOutcome extends Outcome {
  /** The instances that no rule names any more. */
  readonly released: readonly string[];
}

/** Takes the rules of a subset away, or all of them: its instances are like all others again. */
export async function clearCanary(
  store: Store,
  service: string,
  subset: Subset | undefined,
  write: Write,
): Promise<ClearOutcome> {
  let released: string[] = [];
  const outcome = await changePolicy(
    store,
    service,
    (before, found) => {
      const left = subset === undefined ? [] : withoutSubset(before.rules ?? [], subset);
      const still = new Set(left.flatMap((rule) => membersOf(found, rule.subset)));
      const members = (before.rules ?? []).flatMap((rule) => membersOf(found, rule.subset));
      released = [...new Set(members)].filter((id) => !still.has(id));
      return withRules(before, left);
    },
    { ...write, action: ACTION },
  );
  return { ...outcome, released };
}

/** A rule in force. */
export interface ListedRule extends Rule {
  /** As `explain` and `decisions` name it, from 1. */
  readonly rule: number;
  /** The registered instances that it sends requests to. */
  readonly instances: readonly string[];
}

/** The rules of a service, in the order in which they are looked at; `hashOn` also where it is the policy's. */
export async function listCanaries(store: Store, service: string): Promise<ListedRule[]> {
  const found = requireService(await readCatalogOf(store, service), service);
  const policy = policyOf(found);
  return (policy.rules ?? []).map((rule, i) => ({
    rule: i + 1,
    ...rule,
    ...(rule.percent === undefined ? {} : { hashOn: rule.hashOn ?? policy.hashOn ?? "address" }),
    instances: membersOf(found, rule.subset),
  }));
}

function withRules({ rules: _, ...rest }: Policy, rules: readonly Rule[]): Policy {
  return rules.length === 0 ? rest : { ...rest, rules };
}

function membersOf(found: CatalogService, subset: Subset): string[] {
  const wanted = Object.entries(subset);
  const members = [...found.instances.values()].filter(({ metadata }) =>
    wanted.every(([key, value]) => metadata[key] === value),
  );
  return members.map(({ id }) => id).sort();
}

function warningsOf(service: string, found: CatalogService, policy: Policy, change: RuleChange): string[] {
  const { subset, percent, hashOn } = change;
  const warnings: string[] = [];
  const rules = (policy.rules ?? []).filter((rule) => sameSubset(rule.subset, subset));
  if (rules.length > 0 && membersOf(found, subset).length === 0) {
    const text = formatSubset(subset);
    warnings.push(`no instance of ${service} has the metadata ${text}: until one has, its requests go to the others`);
  }
  const isAboutUsers = percent !== undefined || hashOn !== undefined;
  const isNameless = (rule: Rule): boolean =>
    rule.percent !== undefined && (rule.hashOn ?? policy.hashOn) === undefined;
  if (isAboutUsers && rules.some(isNameless)) {
    warnings.push("nothing names the user, so the percentage goes by the client's address: see --hash-on");
  }
  return warnings;
}
