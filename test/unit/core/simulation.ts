import type { Change } from "../../../cli/simulate/cluster.ts";
import { contenderOf } from "../../../cli/simulate/contenders.ts";
import type { Outcome } from "../../../cli/simulate/figures.ts";
import { exponentialTimes } from "../../../cli/simulate/service-times.ts";
import { simulate } from "../../../cli/simulate/simulation.ts";
import type { Algorithm } from "../../../lua/core/types.ts";

export interface SimulatedServer {
  /** Default 100. */
  readonly weight?: number;
  /** Default 4. */
  readonly slots?: number;
  readonly meanMs: number;
}

export interface Traffic {
  readonly requestsPerSecond: number;
  readonly requests: number;
  /** Requests at the beginning that are not counted. */
  readonly warmUp?: number;
  /** Default 8. */
  readonly workers?: number;
}

/** Runs an algorithm in `routectl simulate`'s simulator, with exponential service times. */
export function simulateServers(
  algorithm: Algorithm,
  servers: readonly SimulatedServer[],
  { requestsPerSecond, requests, warmUp = 0, workers = 8 }: Traffic,
  changes: readonly Change[] = [],
): Outcome {
  const millisecondsOf = (count: number): number => (count * 1000) / requestsPerSecond;
  return simulate({
    contender: contenderOf(algorithm),
    cluster: { servers: servers.map((server) => ({ weight: 100, slots: 4, ...server })), changes },
    // A server's mean is its own.
    serviceTimes: exponentialTimes(1),
    firstPerSecond: requestsPerSecond,
    lastPerSecond: requestsPerSecond,
    durationMs: millisecondsOf(requests),
    warmUpMs: millisecondsOf(warmUp),
    workers,
    seed: 1,
  });
}
