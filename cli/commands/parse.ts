import { InvalidArgumentError } from "commander";
import { MAX_BASE_WEIGHT } from "../../lua/core/numbers.ts";
import { isText } from "../../lua/core/snapshot-check.ts";
import { usageError } from "../errors.ts";

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
