import { checkObject } from "./field-check.ts";
import { isMetadataKey } from "./names.ts";
import { isRecord } from "./record.ts";
import { checkRegex } from "./regex-check.ts";
import { checkSource } from "./request-source.ts";
import { escapeText, isText, MAX_TEXT_BYTES } from "./text.ts";

export const MAX_RULES = 32;
const MAX_SUBSET_ENTRIES = 16;
/** Sums of such as 0.7, 89.9 and 9.4 are not exact. */
const ROUNDING = 1e-9;
const OPERATORS = ["equals", "prefix", "regex"] as const;

/** What is wrong with the rules of a policy, in words for whoever wrote them; undefined when they are valid. */
export function checkRules(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) return "policy.rules: must be an array";
  if (value.length > MAX_RULES) return `policy.rules: more than ${MAX_RULES}`;
  let percent = 0;
  for (let i = 0; i < value.length; i++) {
    const path = `policy.rules[${i}]`;
    const error = checkRule(path, value[i]);
    if (error !== undefined) return error;
    const rule = value[i] as { match?: unknown; percent?: number };
    if (rule.match === undefined) percent += rule.percent ?? 0;
  }
  return percent > 100 + ROUNDING
    ? "policy.rules: the percentages of the rules without a match add up to more than 100"
    : undefined;
}

function checkRule(path: string, value: unknown): string | undefined {
  const error = checkObject(path, value, ["match", "percent", "hashOn", "subset"]);
  if (error !== undefined) return error;
  const rule = value as Record<string, unknown>;
  const percent = rule["percent"];
  if (percent !== undefined && (typeof percent !== "number" || !(percent >= 0 && percent <= 100))) {
    return `${path}.percent: must be a number from 0 to 100`;
  }
  if (percent === undefined && rule["match"] === undefined) return `${path}: needs a match, a percent, or both`;
  return (
    checkMatch(`${path}.match`, rule["match"]) ??
    checkSource(`${path}.hashOn`, rule["hashOn"]) ??
    checkSubset(`${path}.subset`, rule["subset"])
  );
}

function checkMatch(path: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const error = checkObject(path, value, ["on", "equals", "prefix", "regex"]);
  if (error !== undefined) return error;
  const match = value as Record<string, unknown>;
  if (match["on"] === undefined || match["on"] === "address") {
    return `${path}.on: must be header:NAME, cookie:NAME, query:NAME or path`;
  }
  const sourceError = checkSource(`${path}.on`, match["on"]);
  if (sourceError !== undefined) return sourceError;
  let operators = 0;
  for (const operator of OPERATORS) {
    const operand = match[operator];
    if (operand === undefined) continue;
    operators++;
    if (!isText(operand) || operand === "") {
      return `${path}.${operator}: must be a text of 1 to ${MAX_TEXT_BYTES} bytes`;
    }
  }
  if (operators !== 1) return `${path}: needs exactly one of ${OPERATORS.join(", ")}`;
  const regex = match["regex"];
  if (regex === undefined) return undefined;
  const regexError = checkRegex(regex as string);
  return regexError === undefined ? undefined : `${path}.regex: ${regexError}`;
}

function checkSubset(path: string, value: unknown): string | undefined {
  if (!isRecord(value)) return `${path}: must be an object of metadata, such as {"version":"v2"}`;
  let entries = 0;
  for (const key in value) {
    if (!isMetadataKey(key)) return `${path}: "${escapeText(`${key}`)}" is not a metadata key`;
    if (!isText(value[key])) return `${path}.${key}: must be a text of at most ${MAX_TEXT_BYTES} bytes`;
    entries++;
  }
  if (entries === 0) return `${path}: must name at least one metadata entry`;
  return entries > MAX_SUBSET_ENTRIES ? `${path}: more than ${MAX_SUBSET_ENTRIES} entries` : undefined;
}
