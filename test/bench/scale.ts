import { setTimeout as delay } from "node:timers/promises";
import { renderTable } from "../../cli/output/table.ts";
import { type BenchRouter, layGround, startBenchIpconfig, startBenchRouter } from "./bench-stack.ts";
import { withCleanup } from "./cleanup.ts";
import { createFleet, type Shape } from "./fleet.ts";
import type { Gate } from "./gate.ts";
import { privateMegabytes } from "./process-figures.ts";
import type { Report } from "./report.ts";
import { cpuBeyond, measureStage, type StageFigures, type Watched } from "./scale-stage.ts";
import {
  beginEpoch,
  bytesOfOneChange,
  changeOneByOne,
  changeSteadily,
  churn,
  requestEverything,
  restartIpconfig,
  secondsOfWeightSet,
} from "./scale-stages.ts";
import { collectGarbage } from "./stalls.ts";
import { startSteadyLoad } from "./steady-load.ts";

const SHAPES: readonly Shape[] = [
  { services: 1000, instances: 100 },
  { services: 10_000, instances: 10 },
];
const IDLE_SECONDS = 5;
const SINGLE_CHANGES = 30;
const STEADY = { part: 0.01, seconds: 60 };
/** As many as a day has seconds. */
const UPDATES = 86_400;
const LOAD = { perSecond: 100, connections: 16 };

/** A full answer passes through the memory of the worker that asks, which keeps what it has once taken from the system. */
const STAGES_BEFORE_RESYNC = 3;

/** 100,000 instances, in many services and in very many: what they cost in memory and CPU, and how long workers stall. */
export async function benchScale(report: Report): Promise<Gate[]> {
  const gates: Gate[] = [];
  for (const shape of SHAPES) gates.push(...(await benchShape(shape, report)));
  return gates;
}

async function benchShape(shape: Shape, report: Report): Promise<Gate[]> {
  const title = `${shape.services.toLocaleString("en")} × ${shape.instances}`;
  return withCleanup(async (later) => {
    const ground = await layGround(later);
    const fleet = createFleet(ground.store, shape, ground.instancePorts);
    const filling = performance.now();
    await fleet.write();
    const starting = performance.now();
    let ipconfig = await startBenchIpconfig(ground, later);
    const listed = performance.now();
    const router = await startBenchRouter(ipconfig.url, shape.services, later);
    const routed = performance.now();
    report.print(
      `${title}: written to etcd in ${seconds(starting - filling)}; ipconfig is ready ${seconds(listed - starting)} after its start, ` +
        `a router routes everything ${seconds(routed - listed)} after its start`,
    );

    const load = startSteadyLoad({ url: router.url, paths: fleet.paths, ...LOAD });
    later(load.stop);
    const watched: Watched = { router, load, ipconfigPid: () => ipconfig.pid };
    const stages: StageFigures[] = [];
    const stage = async (name: string, act: () => Promise<unknown>): Promise<StageFigures> => {
      const figures = await measureStage(name, watched, act);
      stages.push(figures);
      return figures;
    };
    await stage("a request to each service", () => requestEverything(router, fleet));
    const idle = await stage("nothing new", () => delay(IDLE_SECONDS * 1000));
    const changes = await stage(`${SINGLE_CHANGES} single changes`, () =>
      changeOneByOne(router, fleet, SINGLE_CHANGES),
    );
    const bytes = await bytesOfOneChange(ipconfig.url, fleet);
    const weightSet = await secondsOfWeightSet(ground, fleet);
    let resync = "";
    await stage("ipconfig killed, started again", async () => {
      const restarted = await restartIpconfig(ground, router, ipconfig, later);
      ipconfig = restarted.ipconfig;
      resync = `ready ${restarted.readySeconds.toFixed(1)} s after its start, heard by the router ${restarted.heardSeconds.toFixed(1)} s later`;
    });
    await stage("another epoch", () => beginEpoch(ground, router));
    let lag = 0;
    await stage(`${STEADY.part * 100} % a second, ${STEADY.seconds} s`, async () => {
      lag = await changeSteadily(router, fleet, STEADY.part, STEADY.seconds);
    });
    const half = `${(UPDATES / 2).toLocaleString("en")} updates`;
    await stage(half, () => churn(router, fleet, UPDATES / 2));
    const before = await memoryOf(router);
    let perSecond = 0;
    await stage(`${half} more`, async () => {
      perSecond = await churn(router, fleet, UPDATES / 2);
    });
    const after = await memoryOf(router);

    report.print(stageTable(stages));
    const { ipconfigMs, workersMs } = cpuBeyond(idle, changes);
    const perChange = (cpuMs: number): string => `${(cpuMs / SINGLE_CHANGES).toFixed(1)} ms of CPU`;
    report.print(
      `One change: ${perChange(ipconfigMs)} in ipconfig, ${perChange(workersMs)} in the two workers, an answer of ${bytes} bytes; ` +
        `\`weight set\` takes ${weightSet.toFixed(1)} s. ipconfig killed: ${resync}.`,
    );
    report.print(
      `${STEADY.part * 100} % a second: the last change was in force ${lag.toFixed(1)} s after it was written. ` +
        `Churn: ${perSecond.toFixed(0)} updates a second; a worker's own memory, its garbage collected, ${before.workerMegabytes.toFixed(0)} MB after half of them and ` +
        `${after.workerMegabytes.toFixed(0)} MB after all (Lua's part ${before.luaMegabytes.toFixed(0)} and ${after.luaMegabytes.toFixed(0)}).\n`,
    );
    return gatesOf(title, shape, stages, before, after);
  });
}

interface Memory {
  readonly workerMegabytes: number;
  readonly luaMegabytes: number;
  readonly freeBytes: number;
}

/** What the larger worker holds on to. */
async function memoryOf(router: BenchRouter): Promise<Memory> {
  const luaMegabytes = await collectGarbage(router.workers);
  return {
    luaMegabytes,
    workerMegabytes: Math.max(...(await Promise.all(router.pids.map(privateMegabytes)))),
    freeBytes: (await router.status()).routesFreeBytes,
  };
}

function stageTable(stages: readonly StageFigures[]): string {
  const heads = [
    ...["STAGE", "SECONDS", "IPCONFIG CPU", "WORKERS CPU", "BUSIEST", "STALL ms", "OWN CPU ms"],
    ...["REQUEST P99 ms", "SLOWEST ms", "FAILED", "WORKER MB", "IPCONFIG MB", "ROUTES FREE MB"],
  ];
  const rows = stages.map((stage) => [
    stage.name,
    stage.seconds.toFixed(1),
    percent(stage.ipconfigCores),
    percent(stage.workersCores),
    percent(stage.busiestCores),
    stage.stall.wallMs.toFixed(0),
    stage.stall.cpuMs.toFixed(0),
    stage.load.p99Ms.toFixed(1),
    stage.load.slowestMs.toFixed(0),
    stage.load.failed,
    stage.workerMegabytes.toFixed(0),
    stage.ipconfigMegabytes.toFixed(0),
    stage.freeMegabytes.toFixed(1),
  ]);
  return renderTable(heads, rows);
}

function gatesOf(
  title: string,
  { services }: Shape,
  stages: readonly StageFigures[],
  before: Memory,
  after: Memory,
): Gate[] {
  const failed = stages.reduce((sum, { load }) => sum + load.failed, 0);
  const lost = 1 - after.freeBytes / before.freeBytes;
  const memory: Gate = {
    name: `${title}: a worker's memory with all of them, MB`,
    value: Math.max(...stages.slice(0, STAGES_BEFORE_RESYNC).map(({ workerMegabytes }) => workerMegabytes)),
    limit: 150,
  };
  return [
    { name: `${title}: requests that failed`, value: failed, limit: 0 },
    ...(services === 1000 ? [memory] : []),
    {
      name: `${title}: a worker's memory after ${UPDATES.toLocaleString("en")} updates, as a multiple of that after half of them`,
      value: after.workerMegabytes / before.workerMegabytes,
      limit: 1.15,
    },
    {
      name: `${title}: free space of the dict of routes that was lost by the second half, %`,
      value: lost * 100,
      limit: 2,
    },
  ];
}

function percent(cores: number): string {
  return `${(cores * 100).toFixed(0)} %`;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
