import { InvalidArgumentError } from "commander";
import { MAX_BASE_WEIGHT } from "../../lua/core/numbers.ts";
import { isText } from "../../lua/core/text.ts";
import type { RuleMatch } from "../../lua/core/types.ts";
import { usageError } from "../errors.ts";
import { parseOperand } from "../store/match-text.ts";

/** How a user types things. Each of these throws an error that says what to type instead. */

const UNIT_SECONDS = { s: 1, m: 60, h: 3600, d: 86400 } as const;

/** Seconds from `30s`, `10m`, `2h`, `1d`; at least 2 s (etcd grants no shorter lease), at most 365 days. */
export function parseTtl(text: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  const seconds = match === null ? Number.NaN : Number(match[1]) * UNIT_SECONDS[match[2] as keyof typeof UNIT_SECONDS];
  if (!(seconds >= 2 && seconds <= 365 * 86400)) {
    throw new InvalidArgumentError("Give a time such as 30s, 10m, 2h or 1d; at least 2s.");
  }
  return seconds;
}

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds from `300ms`, `1.5s`, `10m`, `2h`; a whole number of them. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text);
  const exact = match === null ? Number.NaN : Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
  const milliseconds = Math.round(exact);
  if (!(Math.abs(milliseconds - exact) < 1e-6))
    throw new InvalidArgumentError("Give a time such as 300ms, 2s or 1.5s.");
  return milliseconds;
}

const LEAST_TIMEOUT_MS = 1000;
const MOST_TIMEOUT_MS = 86_400_000;

/** Milliseconds from `30s`, `5m`, or seconds alone: `30`. */
export function parseTimeout(text: string): number {
  const milliseconds = /^\d{1,6}$/.test(text) ? Number(text) * 1000 : parseDuration(text);
  if (milliseconds < LEAST_TIMEOUT_MS || milliseconds > MOST_TIMEOUT_MS) {
    throw new InvalidArgumentError("Give a time from 1s to 24h, such as 30s or 5m.");
  }
  return milliseconds;
}

/** A whole number, whose limits are for another to check. */
export function parseCount(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

/** A percentage from `5`, `0.5` or `5%`, whose limits are for another to check. */
export function parsePercent(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,9})?) ?%?$/.exec(text);
  if (match === null) throw new InvalidArgumentError("It must be a percentage, such as 5, 0.5 or 5%.");
  return Number(match[1]);
}

/** One of some words. */
export function parseChoice(words: readonly string[]): (text: string) => string {
  return (text) => {
    if (!words.includes(text)) throw new InvalidArgumentError(`It must be one of ${words.join(", ")}.`);
    return text;
  };
}

const LIMIT_KEYS = ["key", "rate", "burst"];

/** Parts of a rate limit from `key=address,rate=100,burst=20`; what can't be a number is for another to refuse. */
export function parseLimit(text: string): Record<string, string | number> {
  const limit: Record<string, string | number> = {};
  for (const part of text.split(",")) {
    const [, key, value] = /^ *([^= ]+) *=(.*)$/.exec(part) ?? [];
    if (key === undefined || !LIMIT_KEYS.includes(key) || key in limit) {
      throw new InvalidArgumentError("It must be of the form key=address,rate=100,burst=20.");
    }
    limit[key] = key !== "key" && /^\d{1,9}(\.\d{1,9})?$/.test(value!) ? Number(value) : value!;
  }
  return limit;
}

/** Typed instead of a value, it takes away what is there. */
export const NONE = "none";

/** A parser that also takes `none`. */
export function orNone<T>(parse: (text: string) => T): (text: string) => T | typeof NONE {
  return (text) => (text === NONE ? NONE : parse(text));
}

/** A weight as it was typed: a whole number, nothing that merely looks like one. */
export function parseWeight(text: string): number {
  const weight = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (!(weight <= MAX_BASE_WEIGHT)) {
    throw new InvalidArgumentError(`A weight is a whole number from 0 to ${MAX_BASE_WEIGHT}.`);
  }
  return weight;
}

/** What people write for others to read. */
export function parseNote(text: string): string {
  if (!isText(text)) throw new InvalidArgumentError("It may have at most 512 bytes.");
  return text;
}

export function parseWhole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** Weights by id from `demo-1=60 demo-2=30`. */
export function parseAssignments(texts: readonly string[]): Map<string, number> {
  const weights = new Map<string, number>();
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at < 1) throw usageError(`${JSON.stringify(text)} is not of the form ID=WEIGHT, such as demo-1=60`);
    const id = text.slice(0, at);
    if (weights.has(id)) throw usageError(`${JSON.stringify(id)} is given twice`);
    try {
      weights.set(id, parseWeight(text.slice(at + 1)));
    } catch (error) {
      throw usageError(
        `weight ${JSON.stringify(text.slice(at + 1))} of ${JSON.stringify(id)}: ${(error as Error).message}`,
      );
    }
  }
  return weights;
}

/** Metadata from repeated `KEY=VALUE` options. */
export function collectMetadata(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must be of the form KEY=VALUE.");
  const key = text.slice(0, at);
  if (key === "__proto__") throw new InvalidArgumentError("__proto__ can't be a key.");
  return { ...before, [key]: text.slice(at + 1) };
}

/** A subset from `version=v2,zone=a`, or from repeated options; a comma that no `KEY=` follows belongs to the value. */
export function collectSubset(text: string, before: Record<string, string> = {}): Record<string, string> {
  return text.split(/,(?=[^,=]+=)/).reduce((subset, part) => collectMetadata(part, subset), before);
}

/** Matches from repeated `NAME=VALUE` options; none of them from `none`. */
export function collectMatch(from: string): (text: string, before?: readonly RuleMatch[]) => RuleMatch[] {
  return (text, before = []) => {
    if (text === NONE) return [];
    const at = text.indexOf("=");
    if (at < 1) throw new InvalidArgumentError("It must be of the form NAME=VALUE, or none.");
    return [...before, { on: `${from}:${text.slice(0, at)}`, ...parseOperand(text.slice(at + 1)) }];
  };
}

export function collectPathPrefix(text: string, before: readonly RuleMatch[] = []): RuleMatch[] {
  if (text === NONE) return [];
  if (!text.startsWith("/")) throw new InvalidArgumentError("It must begin with /, or be none.");
  return [...before, { on: "path", prefix: text.replace(/\*$/, "") }];
}

/** A host and a port from `127.0.0.1:8080`, `[::1]:8080` or `:8080` (loopback); port 0 picks a free one. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new InvalidArgumentError(
      "It must be of the form HOST:PORT, such as 127.0.0.1:8080; port 0 picks a free one.",
    );
  }
  return { host: match[1] ?? (match[2] === "" ? "127.0.0.1" : match[2]!), port };
}
