import { setTimeout as delay } from "node:timers/promises";
import { EXIT, RoutectlError } from "../errors.ts";
import type { Store } from "../store/etcd.ts";
import { newestRoutingRevision } from "../store/newest-revision.ts";
import type { Remote } from "./http.ts";
import { fetchRouters, type RoutersAnswer, waitForRevision } from "./ipconfig.ts";

const READ_AGAIN_MS = 100;

/**
 * Waits until every worker of every live router applies the newest change in etcd.
 * @param onSilent is told at once that no ipconfig answers
 * @returns its revision, and the routers
 * @throws `lost-data` (exit 1) when etcd holds none, though ipconfig serves some; and as `waitForRevision` does
 */
export async function waitForNewest(
  store: Store,
  ipconfig: Remote,
  timeoutMs: number,
  onSilent: (message: string) => void,
): Promise<{ revision: number; routers: RoutersAnswer["routers"] }> {
  const deadline = performance.now() + timeoutMs;
  const { revision, epoch } = await readNewest(store, deadline);
  if (revision === 0) {
    const served = await fetchRouters(ipconfig);
    if (served.epoch !== null) {
      const message = `etcd holds no change to wait for, though ipconfig serves revision ${served.revision} of before: etcd has lost its data; see routectl status`;
      throw new RoutectlError("lost-data", EXIT.error, message);
    }
  }
  const { routers } = await waitForRevision(
    ipconfig,
    revision,
    Math.max(0, deadline - performance.now()),
    onSilent,
    epoch,
  );
  return { revision, routers };
}

/** A wiped etcd has no epoch until ipconfig has seen that services are back. */
async function readNewest(store: Store, deadline: number): Promise<{ revision: number; epoch: string | undefined }> {
  while (true) {
    const revision = await newestRoutingRevision(store);
    const { item } = await store.get(store.keys.epoch());
    if (revision === 0 || item !== undefined || performance.now() >= deadline) return { revision, epoch: item?.value };
    await delay(READ_AGAIN_MS);
  }
}
