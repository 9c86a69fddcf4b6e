import { inFlightAt, type Server } from "./server.ts";

/** What is measured while a simulation runs, from the end of its warm-up on. */
export interface Observations {
  /** Of the requests that were answered well, in the order in which they were. */
  readonly responseMs: number[];
  /** Requests that were answered with an error, or by nobody. */
  failed: number;
  retries: number;
  /** Attempts by server. */
  readonly counts: number[];
  /** Attempts at servers that were affected at that time, and how many it would have been by the weights. */
  affected: number;
  affectedIfFair: number;
  /** The greatest over the mean load of the servers, summed over moments, and how many moments these were. */
  imbalanceSum: number;
  moments: number;
}

/** What a simulation has found. */
export interface Outcome extends Observations {
  /** From the onset until the share of the affected servers is low; infinity: it never is; undefined: there is no onset. */
  readonly reactionMs: number | undefined;
}

export function createObservations(servers: number): Observations {
  return {
    responseMs: [],
    failed: 0,
    retries: 0,
    counts: new Array<number>(servers).fill(0),
    affected: 0,
    affectedIfFair: 0,
    imbalanceSum: 0,
    moments: 0,
  };
}

/** Notes how unevenly the servers that take requests are loaded: what they have under way in relation to their slots. */
export function observeMoment(observations: Observations, servers: readonly Server[]): void {
  let most = 0;
  let inFlight = 0;
  let slots = 0;
  for (const server of servers) {
    if (server.state !== "serves" || server.weight === 0) continue;
    most = Math.max(most, inFlightAt(server) / server.slots);
    inFlight += inFlightAt(server);
    slots += server.slots;
  }
  if (inFlight === 0) return;
  observations.imbalanceSum += most / (inFlight / slots);
  observations.moments++;
}

/** What a simulation comes to. Times in milliseconds; undefined where there is nothing to tell. */
export interface Figures {
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** The part of the requests that were answered with an error, or by nobody; 0..1. */
  readonly failed: number;
  readonly retries: number;
  /** What affected servers were sent, in relation to their fair part. */
  readonly affectedShare: number | undefined;
  /** The greatest over the mean load of the servers, on average over time. */
  readonly imbalance: number;
  /** Until the share of what has begun to be slow, or to fail, is below 0.3 of its fair part; infinity: it never is. */
  readonly reactionMs: number | undefined;
  /** What the server was sent that was sent least, and most, in relation to the mean. */
  readonly leastShare: number;
  readonly mostShare: number;
}

/** What came of a scenario with a number of router workers. */
export interface ScenarioFigures {
  readonly scenario: string;
  readonly routers: number;
  readonly contenders: readonly ({ readonly name: string } & Figures)[];
}

export function figuresOf(outcome: Outcome): Figures {
  const { responseMs, counts, failed, retries, affected, affectedIfFair, imbalanceSum, moments, reactionMs } = outcome;
  const sorted = Float64Array.from(responseMs).sort();
  const requests = responseMs.length + failed;
  const meanCount = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return {
    requests,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    p999Ms: quantile(sorted, 0.999),
    failed: failed / requests,
    retries,
    affectedShare: affectedIfFair > 0 ? affected / affectedIfFair : undefined,
    imbalance: imbalanceSum / moments,
    reactionMs,
    leastShare: Math.min(...counts) / meanCount,
    mostShare: Math.max(...counts) / meanCount,
  };
}

/** The value below which a part of the values lies; `part` is 0..1. Of no values there is none: NaN. */
export function quantile(sorted: ArrayLike<number>, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}
