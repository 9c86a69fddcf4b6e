import { expect } from "vitest";
import type { Outcome, Recording } from "./recorder.ts";
import type { RouterSample } from "./watch.ts";

/** Requests without a good answer. */
export function failuresOf(outcomes: readonly Outcome[], from = 0, to = Infinity): readonly Outcome[] {
  return outcomes.filter(({ at, status }) => at >= from && at <= to && (status < 200 || status > 299));
}

/** Each instance's part of the good answers, 0..1. */
export function sharesOf(outcomes: readonly Outcome[], from = 0, to = Infinity): Record<string, number> {
  const good = outcomes.filter(({ at, status }) => status === 200 && at >= from && at <= to);
  const shares: Record<string, number> = {};
  for (const { instance } of good) shares[instance] = (shares[instance] ?? 0) + 1 / good.length;
  return shares;
}

/** No router went back in revision within an epoch, or to an epoch that it had left; no worker did either. */
export function expectNobodyWentBack(samples: readonly RouterSample[]): void {
  const positions = new Map<string, { epoch: string; revision: number; left: Set<string> }>();
  const wrong: string[] = [];
  const look = (who: string, epoch: string, revision: number): void => {
    const before = positions.get(who);
    if (before === undefined) {
      positions.set(who, { epoch, revision, left: new Set() });
      return;
    }
    if (epoch === before.epoch && revision < before.revision) wrong.push(`${who}: ${before.revision} -> ${revision}`);
    if (before.left.has(epoch)) wrong.push(`${who}: back to epoch ${epoch}`);
    if (epoch !== before.epoch) before.left.add(before.epoch);
    before.epoch = epoch;
    before.revision = revision;
  };
  for (const { router, epoch, revision, workers } of samples) {
    if (epoch === null || epoch === undefined) continue;
    look(router, epoch, revision);
    for (const worker of workers) look(`${router} worker ${worker.worker}`, worker.epoch, worker.revision);
  }
  expect(wrong).toEqual([]);
}

/** Nothing was applied that nobody has written: only known instances, and weights within what they may be. */
export function expectOnlyWritten(
  samples: readonly RouterSample[],
  allowed: Readonly<Record<string, (weight: number) => boolean>>,
): void {
  const wrong = new Set<string>();
  for (const { router, weights } of samples) {
    for (const [id, weight] of Object.entries(weights)) {
      if (allowed[id]?.(weight) !== true) wrong.add(`${router}: ${id} has ${weight}`);
    }
  }
  expect([...wrong]).toEqual([]);
}

/** Base weight 100: a score can take 95 % of it, and what is down has nothing. */
export const BASE_100 = (weight: number): boolean => weight >= 0 && weight <= 100;

export const DEMO_WEIGHTS = Object.fromEntries([1, 2, 3, 4, 5].map((number) => [`demo-${number}`, BASE_100]));

/** What every recording has to fulfil, whatever the fault was. */
export function expectSound({ samples }: Recording): void {
  expectNobodyWentBack(samples);
}

export function describeFailures(failures: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { router, instance } of failures) {
    const kind = `${router} ${instance}`;
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** Sent, failed, and how long answers took. */
export function summaryOf(outcomes: readonly Outcome[]): string {
  const times = outcomes.map(({ ms }) => ms).sort((a, b) => a - b);
  const at = (part: number): string => `${(times[Math.floor((times.length - 1) * part)] ?? 0).toFixed(0)} ms`;
  const retried = outcomes.filter(({ attempts }) => attempts > 1).length;
  return `${outcomes.length} requests, ${failuresOf(outcomes).length} failed, ${retried} retried, p99 ${at(0.99)}, longest ${at(1)}`;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
