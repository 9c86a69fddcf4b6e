import { mix32 } from "../../lua/core/hash.ts";
import type { Cluster } from "./cluster.ts";
import type { Contender } from "./contenders.ts";
import { applyChange, end, send } from "./dispatch.ts";
import { type Outcome, observeMoment } from "./figures.ts";
import { createHealth } from "./health.ts";
import { createRandom, exponential, type Random } from "./random.ts";
import { createRun, publish, type Run } from "./run.ts";
import type { ServiceTimes } from "./service-times.ts";
import { chooseFirst, createWorker, forgetOldAnswers, refreshView, type Worker } from "./worker.ts";

export interface Simulation {
  readonly contender: Contender;
  readonly cluster: Cluster;
  readonly serviceTimes: ServiceTimes;
  /** Requests a second during the warm-up; from then on their number changes evenly. */
  readonly firstPerSecond: number;
  /** The same at the end. */
  readonly lastPerSecond: number;
  /** For how long requests come. */
  readonly durationMs: number;
  /** Requests that come before this are not counted. */
  readonly warmUpMs: number;
  /** Router workers. */
  readonly workers: number;
  readonly seed: number;
}

/** So many workers are in one router, and share its ejections. */
const WORKERS_PER_ROUTER = 4;
const USERS = 10_000;
const MOMENT_MS = 100;
const SECOND_MS = 1000;

/**
 * Requests come by chance (Poisson) to router workers, which send them to servers by what they know themselves. Workers
 * tell time in whole milliseconds, as nginx does. Arrivals, users and sizes depend on the seed alone, so that all
 * contenders meet the same requests.
 */
export function simulate(simulation: Simulation): Outcome {
  const { contender, cluster, serviceTimes, durationMs, warmUpMs, seed } = simulation;
  const arrivals = createRandom(seed);
  const sizes = createRandom(seed + 1_000_003);
  const run = createRun(contender, cluster);
  const workers = createWorkers(run, simulation.workers, createRandom(seed + 2_000_003));
  const gapMs = (nowMs: number): number => exponential(arrivals, 1000 / perSecond(simulation, nowMs));

  const arrive = (nowMs: number): void => {
    const worker = workers[Math.floor(arrivals() * workers.length)]!;
    const keyHash = mix32(Math.floor(arrivals() * USERS));
    const size = serviceTimes.draw(sizes);
    const counted = nowMs >= warmUpMs;
    const clockMs = Math.floor(nowMs);
    refreshView(worker, run.list, clockMs);
    worker.requests++;
    const choice = chooseFirst(worker, keyHash, clockMs);
    if (choice !== undefined) {
      send(run, { arrivedMs: nowMs, size, keyHash, counted, worker }, [], choice, nowMs);
    } else if (counted) run.observations.failed++;
  };

  let arrivalMs = gapMs(0);
  let momentMs = MOMENT_MS;
  let changed = 0;
  for (;;) {
    const changeMs = cluster.changes[changed]?.atMs ?? Number.POSITIVE_INFINITY;
    const endMs = run.agenda.firstMs();
    if (arrivalMs === Number.POSITIVE_INFINITY && endMs === Number.POSITIVE_INFINITY) break;
    const nowMs = Math.min(arrivalMs, endMs, changeMs, momentMs);
    if (nowMs === endMs) end(run, run.agenda.removeFirst(), nowMs);
    else if (nowMs === arrivalMs) {
      arrive(nowMs);
      arrivalMs = nowMs + gapMs(nowMs);
      if (arrivalMs > durationMs) arrivalMs = Number.POSITIVE_INFINITY;
    } else if (nowMs === changeMs) applyChange(run, cluster.changes[changed++]!, nowMs);
    else {
      passMoment(run, workers, nowMs, nowMs >= warmUpMs && nowMs <= durationMs);
      momentMs += MOMENT_MS;
    }
  }
  return { ...run.observations, reactionMs: run.reaction?.reactionMs() };
}

function createWorkers(run: Run, count: number, random: Random): Worker[] {
  const workers: Worker[] = [];
  let health = createHealth();
  for (let i = 0; i < count; i++) {
    if (i % WORKERS_PER_ROUTER === 0) health = createHealth();
    workers.push(createWorker(run.list, health, run.contender.createPicker(run.servers, random), random));
  }
  return workers;
}

function perSecond({ firstPerSecond, lastPerSecond, warmUpMs, durationMs }: Simulation, nowMs: number): number {
  const part = Math.max(0, nowMs - warmUpMs) / (durationMs - warmUpMs);
  return firstPerSecond + (lastPerSecond - firstPerSecond) * part;
}

function passMoment(run: Run, workers: readonly Worker[], nowMs: number, counted: boolean): void {
  const { scoreFeed, servers } = run;
  if (counted) observeMoment(run.observations, servers);
  const isSecond = nowMs % SECOND_MS === 0;
  if (isSecond) for (const worker of workers) forgetOldAnswers(worker, nowMs);
  if (scoreFeed === undefined) return;
  scoreFeed.observe(servers);
  if (isSecond) scoreFeed.report(servers, nowMs);
  const scores = scoreFeed.takeDue(nowMs);
  if (scores === undefined) return;
  run.scores = scores;
  publish(run);
}
