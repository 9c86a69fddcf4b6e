import { setTimeout as delay } from "node:timers/promises";
import type { BenchRouter } from "./bench-stack.ts";
import { cpuMicroseconds, privateMegabytes, residentMegabytes } from "./process-figures.ts";
import { type Stall, watchStalls } from "./stalls.ts";
import type { LoadFigures, SteadyLoad } from "./steady-load.ts";

/** What is watched while something happens. */
export interface Watched {
  readonly router: BenchRouter;
  readonly load: SteadyLoad;
  /** The process id of the ipconfig that runs now. */
  ipconfigPid(): number;
}

/** What was seen of it. */
export interface StageFigures {
  readonly name: string;
  readonly seconds: number;
  /** Parts of one core: ipconfig, all workers together, and the busiest of them. */
  readonly ipconfigCores: number;
  readonly workersCores: number;
  readonly busiestCores: number;
  readonly stall: Stall;
  readonly load: LoadFigures;
  /** Afterwards, as it is: the largest worker's own memory, and ipconfig's. */
  readonly workerMegabytes: number;
  readonly ipconfigMegabytes: number;
  readonly freeMegabytes: number;
}

const SETTLE_MS = 1500;

/**
 * Lets something happen, and measures what it costs until it is over, what follows within a moment included, such as the
 * file of the last good list.
 */
export async function measureStage(name: string, watched: Watched, act: () => Promise<unknown>): Promise<StageFigures> {
  const { router, load } = watched;
  await load.take();
  const ipconfigBefore = watched.ipconfigPid();
  const cpuBefore = await cpuOf([ipconfigBefore, ...router.pids]);
  const endStalls = await watchStalls(router.workers);
  const started = performance.now();
  await act();
  const seconds = (performance.now() - started) / 1000;
  await delay(SETTLE_MS);
  const stall = await endStalls();
  const measured = (performance.now() - started) / 1000;
  const figures = await load.take();
  const ipconfig = watched.ipconfigPid();
  const cpuAfter = await cpuOf([ipconfig, ...router.pids]);
  // An ipconfig that was started meanwhile has used nothing before.
  const cores = cpuAfter.map((after, index) => {
    const before = index === 0 && ipconfig !== ipconfigBefore ? 0 : cpuBefore[index]!;
    return (after - before) / 1e6 / measured;
  });
  const [ipconfigCores, ...workers] = cores as [number, ...number[]];
  return {
    name,
    seconds,
    ipconfigCores,
    workersCores: workers.reduce((sum, worker) => sum + worker, 0),
    busiestCores: Math.max(...workers),
    stall,
    load: figures,
    workerMegabytes: Math.max(...(await Promise.all(router.pids.map(privateMegabytes)))),
    ipconfigMegabytes: await residentMegabytes(ipconfig),
    freeMegabytes: (await router.status()).routesFreeBytes / 2 ** 20,
  };
}

async function cpuOf(pids: readonly number[]): Promise<number[]> {
  return Promise.all(pids.map(cpuMicroseconds));
}

/** CPU in milliseconds that a stage has used beyond what an idle one uses in the same time. */
export function cpuBeyond(
  idle: StageFigures,
  stage: StageFigures,
): { readonly ipconfigMs: number; readonly workersMs: number } {
  const measuredMs = stage.seconds * 1000 + SETTLE_MS;
  return {
    ipconfigMs: (stage.ipconfigCores - idle.ipconfigCores) * measuredMs,
    workersMs: (stage.workersCores - idle.workersCores) * measuredMs,
  };
}
