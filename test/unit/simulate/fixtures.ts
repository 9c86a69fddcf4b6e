import type { Change } from "../../../cli/simulate/cluster.ts";
import { contenderOf } from "../../../cli/simulate/contenders.ts";
import type { Outcome } from "../../../cli/simulate/figures.ts";
import type { ServerSetup } from "../../../cli/simulate/server.ts";
import { exponentialTimes, type ServiceTimes } from "../../../cli/simulate/service-times.ts";
import { simulate } from "../../../cli/simulate/simulation.ts";

export interface Given {
  readonly contender: string;
  readonly servers: readonly Partial<ServerSetup>[];
  readonly changes?: readonly Change[];
  readonly onsetMs?: number;
  readonly perSecond: number;
  readonly seconds: number;
  /** Default 0. */
  readonly warmUpSeconds?: number;
  /** Default 4. */
  readonly workers?: number;
  /** Default exponential with a mean of 10 ms; a server's own mean is its own. */
  readonly serviceTimes?: ServiceTimes;
  readonly scoreLagMs?: number;
  readonly seed?: number;
}

/** A simulation of servers that have four slots, serve a request in 10 ms and weigh 100, unless told otherwise. */
export function run(given: Given): Outcome {
  const { contender, servers, changes = [], onsetMs, perSecond, seconds, warmUpSeconds = 0, scoreLagMs } = given;
  return simulate({
    contender: contenderOf(contender),
    cluster: {
      servers: servers.map((server) => ({ slots: 4, meanMs: 10, weight: 100, ...server })),
      changes,
      ...(onsetMs === undefined ? {} : { onsetMs }),
      ...(scoreLagMs === undefined ? {} : { scoreLagMs }),
    },
    serviceTimes: given.serviceTimes ?? exponentialTimes(10),
    firstPerSecond: perSecond,
    lastPerSecond: perSecond,
    durationMs: seconds * 1000,
    warmUpMs: warmUpSeconds * 1000,
    workers: given.workers ?? 4,
    seed: given.seed ?? 1,
  });
}

export const ordinary = (count: number): Partial<ServerSetup>[] => Array.from({ length: count }, () => ({}));

export const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
export const meanOf = (values: readonly number[]): number => sumOf(values) / values.length;

/** What each server was sent, in relation to the mean. */
export function partsOfMean({ counts }: Outcome): number[] {
  return counts.map((count) => count / meanOf(counts));
}
