import { formatSubset } from "../../lua/core/explain.ts";
import type { Policy, Rule } from "../../lua/core/types.ts";
import { formatMatch } from "./match-text.ts";

/** A policy in words for people: each value as one may type it. */

/** The fields that a policy has, those of a group as `timeouts.perTryMs`, rules as `rules[0]`; with their values. */
export function policyFields(policy: Partial<Policy>): [path: string, value: string][] {
  const fields: [string, string][] = [];
  for (const [field, value] of Object.entries(policy)) {
    if (field === "rules") {
      (value as readonly Rule[]).forEach((rule, i) => {
        fields.push([`rules[${i}]`, formatRule(rule)]);
      });
    } else if (typeof value === "object") {
      for (const [key, inner] of Object.entries(value)) fields.push([`${field}.${key}`, formatValue(key, inner)]);
    } else fields.push([field, formatValue(field, value)]);
  }
  return fields;
}

/** What differs in policies that do, a line each: `limit.rate=100 (was 50)`, `add 5 % → version=v2`. */
export function policyChanges(before: Partial<Policy>, after: Policy): string[] {
  const { rules: oldRules = [], ...oldFields } = before;
  const { rules: newRules = [], ...newFields } = after;
  const [old, now] = [new Map(policyFields(oldFields)), new Map(policyFields(newFields))];
  const changes: string[] = [];
  for (const [path, value] of now) {
    const was = old.get(path);
    if (was !== value) changes.push(`${path}=${value} (was ${was ?? "not set"})`);
  }
  for (const [path, was] of old) if (!now.has(path)) changes.push(`${path} removed (was ${was})`);
  changes.push(...ruleChanges(oldRules, newRules));
  return changes.length > 0 ? changes : ["the same in another form"];
}

function ruleChanges(old: readonly Rule[], now: readonly Rule[]): string[] {
  const removed = without(old, now);
  const changes: string[] = [];
  for (const rule of without(now, old)) {
    // Another percentage is the same rule to those who typed it.
    const text = formatSubset(rule.subset);
    const at = removed.findIndex((one) => !one.match && !rule.match && formatSubset(one.subset) === text);
    const [was] = at < 0 ? [] : removed.splice(at, 1);
    changes.push(was === undefined ? `add ${formatRule(rule)}` : `${formatRule(rule)} (was ${formatRequests(was)})`);
  }
  changes.unshift(...removed.map((rule) => `remove ${formatRule(rule)}`));
  if (changes.length > 0 || old.map(formatRule).join("\n") === now.map(formatRule).join("\n")) return changes;
  return ["the same rules in another order"];
}

/** What is in one list more often than in the other. */
function without(list: readonly Rule[], other: readonly Rule[]): Rule[] {
  const rest = other.map(formatRule);
  return list.filter((rule) => {
    const at = rest.indexOf(formatRule(rule));
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}

/** `header:x-beta=1 → version=v2`, `5 % by cookie:uid → version=v2`. */
export function formatRule(rule: Rule): string {
  return `${formatRequests(rule)} → ${formatSubset(rule.subset)}`;
}

function formatRequests({ match, percent, hashOn }: Rule): string {
  const part = percent === undefined ? "" : `${percent} %${hashOn === undefined ? "" : ` by ${hashOn}`}`;
  return [match === undefined ? "" : formatMatch(match), part].filter((text) => text !== "").join(", ");
}

function formatValue(key: string, value: unknown): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number" && key.endsWith("Ms")) return formatMilliseconds(value);
  return key.endsWith("Percent") ? `${value} %` : String(value);
}

const UNITS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1000, "s"],
] as const;

function formatMilliseconds(milliseconds: number): string {
  for (const [length, unit] of UNITS) {
    if (milliseconds >= length && milliseconds % length === 0) return `${milliseconds / length}${unit}`;
  }
  return `${milliseconds}ms`;
}
