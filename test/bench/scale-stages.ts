import { setTimeout as delay } from "node:timers/promises";
import { clearWeights, setWeights } from "../../cli/store/overrides.ts";
import { waitFor } from "../support/wait.ts";
import { type BenchRouter, type Ground, startBenchIpconfig, untilApplied } from "./bench-stack.ts";
import type { Later } from "./cleanup.ts";
import type { Fleet } from "./fleet.ts";
import type { IpconfigProcess } from "./ipconfig-process.ts";

const WAIT_MS = 120_000;
/** With many services the router's status costs milliseconds. */
const ASK_AGAIN_MS = 100;

/** Every worker serves a request for every service, and so builds its table. */
export async function requestEverything(router: BenchRouter, fleet: Fleet): Promise<void> {
  const requests = router.workers.map(async (worker) => {
    for (const path of fleet.paths) {
      const { statusCode, body } = await worker.request({ path, method: "GET" });
      await body.dump();
      if (statusCode !== 200) throw new Error(`${path} was answered with ${statusCode}`);
    }
  });
  await Promise.all(requests);
}

/** Single changes, each when the one before is in force. */
export async function changeOneByOne(router: BenchRouter, fleet: Fleet, changes: number): Promise<void> {
  for (let change = 0; change < changes; change++) await untilApplied(router, await fleet.changeOne());
}

/** How many bytes ipconfig tells a router for one change. */
export async function bytesOfOneChange(ipconfig: string, fleet: Fleet): Promise<number> {
  const poll = async (since: string): Promise<string> =>
    (await fetch(`${ipconfig}/v1/snapshot?router=bench&waitMs=10000${since}`)).text();
  const { epoch, revision } = JSON.parse(await poll("")) as { epoch: string; revision: number };
  const news = poll(`&epoch=${epoch}&revision=${revision}`);
  await fleet.changeOne();
  return (await news).length;
}

/** Kills ipconfig and starts it again, on its port; over when the router has heard everything from the new one. */
export async function restartIpconfig(
  ground: Ground,
  router: BenchRouter,
  ipconfig: IpconfigProcess,
  later: Later,
): Promise<{ readonly ipconfig: IpconfigProcess; readonly readySeconds: number; readonly heardSeconds: number }> {
  await ipconfig.end("SIGKILL");
  const started = performance.now();
  const again = await startBenchIpconfig(ground, later, Number(new URL(ipconfig.url).port));
  const ready = performance.now();
  const isHeard = async (): Promise<boolean> => {
    await delay(ASK_AGAIN_MS);
    const { ipconfigError, listAgeMs, mode } = await router.status();
    return mode === "normal" && ipconfigError === null && listAgeMs !== null && listAgeMs < performance.now() - ready;
  };
  await waitFor("the router to hear from the new ipconfig", isHeard, WAIT_MS);
  const heard = performance.now();
  return { ipconfig: again, readySeconds: (ready - started) / 1000, heardSeconds: (heard - ready) / 1000 };
}

/** etcd's data gets another epoch: the router takes everything anew. */
export async function beginEpoch({ store }: Ground, router: BenchRouter): Promise<void> {
  const { item } = await store.get(store.keys.epoch());
  const epoch = `bench-${Date.now()}`;
  await store.commit(
    [{ key: store.keys.epoch(), modRevision: item!.modRevision }],
    [{ put: store.keys.epoch(), value: epoch }],
  );
  await router.untilEvery("the new epoch", (worker) => worker.epoch === epoch);
}

/** A part of all instances changes in each second. @returns how long after the last change every worker had it */
export async function changeSteadily(
  router: BenchRouter,
  fleet: Fleet,
  part: number,
  seconds: number,
): Promise<number> {
  const { services, instances } = fleet.shape;
  let revision = 0;
  const started = performance.now();
  for (let second = 0; second < seconds; second++) {
    const dueMs = started + second * 1000 - performance.now();
    if (dueMs > 0) await delay(dueMs);
    revision = await fleet.changeMany(services * instances * part, 1000);
  }
  const written = performance.now();
  await untilApplied(router, revision);
  return (performance.now() - written) / 1000;
}

/** Updates as fast as they go, and then everything as it was. @returns updates a second */
export async function churn(router: BenchRouter, fleet: Fleet, updates: number): Promise<number> {
  const started = performance.now();
  await fleet.churn(updates);
  const perSecond = (updates * 1000) / (performance.now() - started);
  await untilApplied(router, await fleet.write());
  return perSecond;
}

/** What an operator waits for who sets one manual weight; it is cleared again. */
export async function secondsOfWeightSet({ store }: Ground, fleet: Fleet): Promise<number> {
  const service = fleet.names[0]!;
  const author = { by: "bench", reason: "", action: "bench", dryRun: false };
  const started = performance.now();
  await setWeights(store, service, { ...author, weights: new Map([["i-0", 50]]), ttlSeconds: undefined });
  const took = performance.now() - started;
  await clearWeights(store, service, { ...author, ids: [] });
  return took / 1000;
}
