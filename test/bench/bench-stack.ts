import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "undici";
import { freePort } from "../../cli/stack/ports.ts";
import { openStore, type Store } from "../../cli/store/etcd.ts";
import { startEtcd } from "../support/etcd.ts";
import { startRouter } from "../support/router.ts";
import { childrenOf } from "../support/stack.ts";
import { waitFor } from "../support/wait.ts";
import type { Later } from "./cleanup.ts";
import { startInstances } from "./instances.ts";
import { type IpconfigProcess, startIpconfig } from "./ipconfig-process.ts";
import { STALL_LOCATIONS } from "./stalls.ts";
import { connectToWorkers, WORKER_LOCATION } from "./worker-connections.ts";

const INSTANCES = 4;
const WORKERS = 2;

/** What every stack of a bench begins with: an empty etcd, and instances. */
export interface Ground {
  readonly etcd: string;
  readonly store: Store;
  readonly instancePorts: readonly number[];
}

/** What the admin API says of a router. */
export interface RouterStatus {
  readonly services: number;
  readonly mode: string;
  readonly listAgeMs: number | null;
  readonly ipconfigError: string | null;
  readonly routesFreeBytes: number;
}

/** What a worker has reported to ipconfig. */
export interface Position {
  readonly epoch: string;
  readonly revision: number;
}

/** A router, and a connection to each of its two workers. */
export interface BenchRouter {
  readonly url: string;
  readonly pids: readonly number[];
  readonly workers: readonly Client[];
  status(): Promise<RouterStatus>;
  /** Waits until every worker applies something, as ipconfig has heard: with many services `status` costs milliseconds. */
  untilEvery(what: string, holds: (worker: Position) => boolean): Promise<void>;
}

const WAIT_MS = 120_000;

export async function layGround(later: Later): Promise<Ground> {
  const directory = await mkdtemp(join(tmpdir(), "routectl-bench-"));
  later(() => rm(directory, { recursive: true, force: true }));
  const etcd = await startEtcd();
  later(etcd.close);
  const store = openStore({ urls: etcd.url, callTimeoutMs: 10_000 });
  later(async () => store.close());
  return { etcd: etcd.url, store, instancePorts: await startInstances(directory, INSTANCES, later) };
}

/** Starts an ipconfig on the ground. @param port a port that it had before; otherwise a free one */
export async function startBenchIpconfig({ etcd }: Ground, later: Later, port?: number): Promise<IpconfigProcess> {
  const ipconfig = await startIpconfig(etcd, port ?? (await freePort()));
  later(() => ipconfig.end("SIGTERM"));
  return ipconfig;
}

/** Starts a router of two workers, and waits until it routes so many services. */
export async function startBenchRouter(ipconfig: string, services: number, later: Later): Promise<BenchRouter> {
  const locations = [WORKER_LOCATION, STALL_LOCATIONS].join("\n");
  const router = await startRouter({ ipconfig, workers: WORKERS, locations });
  later(router.close);
  const pids = await childrenOf(router.pid);
  const status = (): Promise<RouterStatus> => router.read("/v1/status");
  await waitFor("the router's lists", async () => (await status()).services === services, WAIT_MS);
  const workers = [...(await connectToWorkers(router.url, pids)).values()];
  later(async () => {
    await Promise.all(workers.map((worker) => worker.close()));
  });
  const positions = async (): Promise<readonly Position[]> => {
    const { routers } = (await (await fetch(`${ipconfig}/v1/routers`)).json()) as {
      routers: readonly { readonly workers: readonly Position[] }[];
    };
    return routers.flatMap((report) => report.workers);
  };
  const untilEvery: BenchRouter["untilEvery"] = async (what, holds) => {
    const isSo = async (): Promise<boolean> => {
      const found = await positions();
      return found.length === WORKERS && found.every(holds);
    };
    await waitFor(`${what} in every worker`, isSo, WAIT_MS);
  };
  return { url: router.url, pids, workers, status, untilEvery };
}

/** Waits until every worker goes by a revision. */
export function untilApplied(router: BenchRouter, revision: number): Promise<void> {
  return router.untilEvery(`revision ${revision}`, (worker) => worker.revision >= revision);
}
