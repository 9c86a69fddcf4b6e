import { mix32 } from "./hash.ts";
import type { Rule, RuleMatch } from "./types.ts";

/** A rule, its percentage as a part of all users. */
export interface PreparedRule {
  readonly match: RuleMatch | undefined;
  /** 0..1: the users whose place is at least `from` and below `to`. */
  readonly from: number;
  readonly to: number;
}

/** Tells whether a value matches a regular expression that `checkRegex` lets through. */
export type RegexTest = (this: void, value: string, regex: string) => boolean;

/** What rules look at in a request: both by the rule's index. */
export interface RuleFacts {
  /** What `match.on` names; empty where the request has none, or the rule has no match. */
  readonly values: readonly string[];
  /** The hash of the user's name; read only where the rule has a percentage. */
  readonly keyHashes: readonly number[];
}

/** Rules without a match take parts of the users next to each other, so that no two share a user. */
export function prepareRules(rules: readonly Rule[]): PreparedRule[] {
  const prepared: PreparedRule[] = [];
  let taken = 0;
  for (const { match, percent } of rules) {
    const part = (percent ?? 100) / 100;
    const from = match === undefined ? taken : 0;
    prepared.push({ match, from, to: from + part });
    if (match === undefined) taken += part;
  }
  return prepared;
}

/**
 * The first rule that takes a request.
 * @returns its index, -1 when none does
 */
export function matchingRule(rules: readonly PreparedRule[], facts: RuleFacts, testRegex: RegexTest): number {
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!;
    if (rule.match !== undefined && !matches(rule.match, facts.values[i]!, testRegex)) continue;
    if (rule.from === 0 && rule.to >= 1) return i;
    const place = userPlace(facts.keyHashes[i]!);
    if (place >= rule.from && place < rule.to) return i;
  }
  return -1;
}

function matches(match: RuleMatch, value: string, testRegex: RegexTest): boolean {
  if (value === "") return false;
  if (match.equals !== undefined) return value === match.equals;
  if (match.prefix !== undefined) return value.startsWith(match.prefix);
  return testRegex(value, match.regex!);
}

/** A user's place among all, 0..1: another one than on the hash ring, so that a part of the users is not a part of the ring. */
function userPlace(keyHash: number): number {
  return mix32((keyHash + 0x9e3779b9) % 4294967296) / 4294967296;
}
