import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { capacityOf } from "./cluster.ts";
import { contenderOf } from "./contenders.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { scenarioOf } from "./scenarios.ts";
import { type Settings, serviceTimesOf } from "./settings.ts";
import { simulate } from "./simulation.ts";

/** One simulation of a suite. */
export interface Job {
  readonly scenario: string;
  readonly contender: string;
  /** Router workers. */
  readonly routers: number;
  /** Instead of the suite's. */
  readonly load?: Settings["load"];
  readonly seconds?: number;
}

export const WARM_UP_MS = 10_000;

export function runJob(settings: Settings, job: Job): Figures {
  const { servers, slots, seed, scoreLagMs } = settings;
  const load = job.load ?? settings.load;
  const serviceTimes = serviceTimesOf(settings.serviceTimes);
  const durationMs = WARM_UP_MS + (job.seconds ?? settings.seconds) * 1000;
  const { meanMs } = serviceTimes;
  const shape = { servers, slots, meanMs, warmUpMs: WARM_UP_MS, durationMs, seed };
  const scenario = scenarioOf(job.scenario).create(shape);
  const cluster = scoreLagMs === undefined ? scenario : { ...scenario, scoreLagMs };
  const capacity = capacityOf(cluster);
  const outcome = simulate({
    contender: contenderOf(job.contender),
    cluster,
    serviceTimes,
    firstPerSecond: load.first * capacity,
    lastPerSecond: load.last * capacity,
    durationMs,
    warmUpMs: WARM_UP_MS,
    workers: job.routers,
    seed,
  });
  return figuresOf(outcome);
}

/**
 * Runs jobs in this thread, one after the other.
 * @param onDone called with the place of each job that is done
 */
export async function runJobs(
  settings: Settings,
  jobs: readonly Job[],
  onDone: (place: number, figures: Figures) => void,
): Promise<void> {
  for (const [place, job] of jobs.entries()) onDone(place, runJob(settings, job));
}

/** The same in as many threads as there are cores; the figures do not depend on how many these are. */
export async function runJobsInThreads(
  settings: Settings,
  jobs: readonly Job[],
  onDone: (place: number, figures: Figures) => void,
): Promise<void> {
  let next = 0;
  const count = Math.min(availableParallelism(), jobs.length);
  await Promise.all(
    Array.from({ length: count }, () => {
      const thread = new Worker(new URL("./thread.js", import.meta.url), { workerData: settings });
      return new Promise<void>((resolve, reject) => {
        let place = -1;
        const goOn = (): void => {
          place = next++;
          if (place < jobs.length) thread.postMessage(jobs[place]);
          else void thread.terminate().then(() => resolve());
        };
        thread.on("message", (figures: Figures) => {
          onDone(place, figures);
          goOn();
        });
        thread.on("error", reject);
        goOn();
      });
    }),
  );
}
