import type { Rule, RuleMatch } from "../../lua/core/types.ts";
import { usageError } from "../errors.ts";

export type Subset = Rule["subset"];

/** What a rule with a match looks at. */
export const MATCH_KINDS = ["header", "cookie", "query", "path"] as const;
export type MatchKind = (typeof MATCH_KINDS)[number];

/** What is to become of a subset's rules. What is not given stays. */
export interface RuleChange {
  readonly subset: Subset;
  /** Instead of the matches of a kind that there are; an empty list takes them away. */
  readonly matches: ReadonlyMap<MatchKind, readonly RuleMatch[]>;
  readonly percent?: number | "none" | undefined;
  /** What names the user for the percentage. */
  readonly hashOn?: string | "none" | undefined;
}

/**
 * Rules with those of one subset changed. One that replaces another has its place. New ones with a match come before all
 * without: whoever asks for a version gets it, whatever part of the users he is in.
 */
export function withSubset(rules: readonly Rule[], change: RuleChange): Rule[] {
  const { subset } = change;
  const wanted = new Map<MatchKind | "any", readonly Rule[]>();
  for (const [kind, matches] of change.matches) {
    wanted.set(
      kind,
      matches.map((match) => ({ match, subset })),
    );
  }
  const percentRules = changedPercentRules(rules, change);
  if (percentRules !== undefined) wanted.set("any", percentRules);

  const toPlace = new Map(wanted);
  const result: Rule[] = [];
  for (const rule of rules) {
    const kind = kindOf(rule);
    if (!sameSubset(rule.subset, subset) || !wanted.has(kind)) result.push(rule);
    else {
      result.push(...(toPlace.get(kind) ?? []));
      toPlace.delete(kind);
    }
  }
  const firstWithout = result.findIndex(({ match }) => match === undefined);
  const newMatches = MATCH_KINDS.flatMap((kind) => toPlace.get(kind) ?? []);
  result.splice(firstWithout < 0 ? result.length : firstWithout, 0, ...newMatches);
  return [...result, ...(toPlace.get("any") ?? [])];
}

/** The rules of a subset without a match, as they are to be; undefined when they stay. */
function changedPercentRules(rules: readonly Rule[], { subset, percent, hashOn }: RuleChange): Rule[] | undefined {
  if (percent === "none") return [];
  const existing = rules.filter((rule) => rule.match === undefined && sameSubset(rule.subset, subset));
  const keyOf = (rule: Rule | undefined): Pick<Rule, "hashOn"> => {
    const key = hashOn ?? rule?.hashOn;
    return key === undefined || key === "none" ? {} : { hashOn: key };
  };
  if (percent !== undefined) return [{ percent, ...keyOf(existing[0]), subset }];
  if (hashOn === undefined) return undefined;
  if (existing.length === 0)
    throw usageError("--hash-on says what names the user for --percent: give --percent as well");
  return existing.map(({ hashOn: _, ...rule }) => ({ ...rule, ...keyOf(undefined) }));
}

export function withoutSubset(rules: readonly Rule[], subset: Subset): Rule[] {
  return rules.filter((rule) => !sameSubset(rule.subset, subset));
}

export function sameSubset(a: Subset, b: Subset): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}

function kindOf({ match }: Rule): MatchKind | "any" {
  return match === undefined ? "any" : (match.on.split(":")[0] as MatchKind);
}
