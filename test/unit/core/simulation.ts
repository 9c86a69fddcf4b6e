import { nextLatency } from "../../../lua/core/latency.ts";
import { pickPeer } from "../../../lua/core/pick.ts";
import { preparePlan } from "../../../lua/core/plan.ts";
import type { Algorithm } from "../../../lua/core/types.ts";
import { FRESH, listOf, randoms } from "./fixtures.ts";

export interface Server {
  /** Default 100. */
  readonly weight?: number;
  /** Requests that are served at the same time; further ones wait in line. Default 4. */
  readonly slots?: number;
  /** How long a request takes on average, as of a time. */
  readonly serviceMs: (nowMs: number) => number;
}

export interface Scenario {
  readonly algorithm: Algorithm;
  readonly servers: readonly Server[];
  readonly requestsPerSecond: number;
  readonly requests: number;
  /** Requests at the beginning that are not counted. */
  readonly warmUp?: number;
  /** Router workers; each knows of its own requests only. Default 8. */
  readonly workers?: number;
  readonly seed?: number;
}

export interface Outcome {
  /** From the least to the greatest. */
  readonly responseMs: readonly number[];
  /** By server. */
  readonly counts: readonly number[];
}

interface Attempt {
  readonly worker: number;
  readonly server: number;
  readonly arrivedMs: number;
  endsMs: number;
  readonly counted: boolean;
}

/**
 * Requests that arrive by chance (Poisson) at router workers, which send them to servers whose service times are
 * exponential. Workers tell time in whole milliseconds, as nginx does.
 */
export function simulate(scenario: Scenario): Outcome {
  const { algorithm, servers, requestsPerSecond, requests, warmUp = 0, workers = 8, seed = 1 } = scenario;
  const random = randoms(seed);
  const exponential = (mean: number) => -mean * Math.log(1 - random());
  const list = listOf(
    algorithm,
    servers.map(({ weight = 100 }) => weight),
  );
  const routers = Array.from({ length: workers }, () => ({
    plan: preparePlan(list, FRESH, random()),
    loads: servers.map(() => ({ inFlight: 0, latencyMs: 0, measuredAtMs: 0 })),
    totalInFlight: 0,
  }));
  const lines = servers.map((): Attempt[] => []);
  const serving = servers.map(() => 0);
  const running = new Agenda();
  const counts = servers.map(() => 0);
  const responseMs: number[] = [];

  const begin = (attempt: Attempt, nowMs: number) => {
    serving[attempt.server]!++;
    attempt.endsMs = nowMs + exponential(servers[attempt.server]!.serviceMs(nowMs));
    running.add(attempt);
  };
  const end = (attempt: Attempt) => {
    const { worker, server, arrivedMs, endsMs } = attempt;
    serving[server]!--;
    const next = lines[server]!.shift();
    if (next !== undefined) begin(next, endsMs);
    const router = routers[worker]!;
    const load = router.loads[server]!;
    const nowMs = Math.floor(endsMs);
    load.latencyMs = nextLatency(load.latencyMs, load.measuredAtMs, nowMs - Math.floor(arrivedMs), nowMs);
    load.measuredAtMs = nowMs;
    load.inFlight--;
    router.totalInFlight--;
    if (attempt.counted) responseMs.push(endsMs - arrivedMs);
  };

  let nowMs = 0;
  for (let i = 0; i < requests; i++) {
    nowMs += exponential(1000 / requestsPerSecond);
    for (let first = running.first(); first !== undefined && first.endsMs <= nowMs; first = running.first()) {
      end(running.removeFirst());
    }
    const worker = Math.floor(random() * workers);
    const router = routers[worker]!;
    const request = { keyHash: 0, random: random(), tried: [], triedCount: 0, nowMs: Math.floor(nowMs) };
    const peer = pickPeer(router.plan, { ...request, loads: router.loads, totalInFlight: router.totalInFlight });
    const server = router.plan.places[peer]!;
    router.loads[peer]!.inFlight++;
    router.totalInFlight++;
    const counted = i >= warmUp;
    if (counted) counts[server]!++;
    const attempt = { worker, server, arrivedMs: nowMs, endsMs: 0, counted };
    if (serving[server]! < (servers[server]!.slots ?? 4)) begin(attempt, nowMs);
    else lines[server]!.push(attempt);
  }
  while (running.first() !== undefined) end(running.removeFirst());
  return { responseMs: responseMs.sort((a, b) => a - b), counts };
}

/** What is being served, as a heap by when it ends. */
class Agenda {
  private readonly heap: Attempt[] = [];

  first(): Attempt | undefined {
    return this.heap[0];
  }

  add(attempt: Attempt): void {
    const { heap } = this;
    let at = heap.push(attempt) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.endsMs <= attempt.endsMs) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = attempt;
  }

  removeFirst(): Attempt {
    const { heap } = this;
    const first = heap[0]!;
    const moved = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.endsMs < heap[child]!.endsMs) child++;
      if (heap[child]!.endsMs >= moved.endsMs) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = moved;
    return first;
  }
}

/** The value below which a part of the values lies; `part` is 0 to 1. */
export function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]!;
}
