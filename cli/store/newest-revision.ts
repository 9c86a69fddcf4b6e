import type { Store } from "./etcd.ts";

/** The revision of the newest change that routing depends on. A deletion shows in the history that is written with it. */
export async function newestRoutingRevision(store: Store): Promise<number> {
  const prefixes = ["services", "overrides", "history"].map((part) => `${store.keys.prefix}/${part}/`);
  return Math.max(...(await Promise.all(prefixes.map((prefix) => store.newestRevision(prefix)))));
}
