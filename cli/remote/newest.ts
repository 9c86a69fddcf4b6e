import { EXIT, RoutectlError } from "../errors.ts";
import type { Store } from "../store/etcd.ts";
import { newestRoutingRevision } from "../store/newest-revision.ts";
import type { Remote } from "./http.ts";
import { fetchRouters, type RoutersAnswer, waitForRevision } from "./ipconfig.ts";

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
  const revision = await newestRoutingRevision(store);
  if (revision > 0) return { ...(await waitForWritten(store, ipconfig, revision, timeoutMs, onSilent)), revision };
  const { epoch, revision: served } = await fetchRouters(ipconfig);
  if (epoch !== null) {
    const message = `etcd holds no change to wait for, though ipconfig serves revision ${served} of before: etcd has lost its data; see routectl status`;
    throw new RoutectlError("lost-data", EXIT.error, message);
  }
  return { ...(await waitForRevision(ipconfig, revision, timeoutMs, onSilent)), revision };
}

/** Waits until every worker of every live router applies a change that is in etcd; otherwise as `waitForRevision`. */
export async function waitForWritten(
  store: Store,
  ipconfig: Remote,
  revision: number,
  timeoutMs: number,
  onSilent: (message: string) => void,
): Promise<RoutersAnswer> {
  const readEpoch = async (): Promise<string | undefined> => (await store.get(store.keys.epoch())).item?.value;
  return waitForRevision(ipconfig, revision, timeoutMs, onSilent, readEpoch);
}
