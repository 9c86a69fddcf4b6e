import { openStore, type StoreOptions } from "../store/etcd.ts";
import { getJson } from "./http.ts";
import { ipconfigAt } from "./ipconfig.ts";

const WHAT_TO_DO =
  "register them again with routectl apply, or restore a snapshot of etcd's; what is not goes ten minutes after the first service that is";

/**
 * Looks for an etcd that holds other data than what an ipconfig serves: it was wiped or restored, or it is not the one that
 * ipconfig uses.
 * @returns a sentence for each ipconfig of which that is so, with what to do
 */
export async function findLostData(
  options: StoreOptions,
  etcd: { readonly reachable: boolean; readonly epoch?: string | null },
  ipconfigs: readonly { readonly url: string; readonly epoch?: string | null }[],
): Promise<string[]> {
  const others = ipconfigs.filter(({ epoch = null }) => epoch !== null && epoch !== etcd.epoch);
  if (!etcd.reachable || others.length === 0) return [];
  const held = await countServiceKeys(options).catch(() => undefined);
  if (held === undefined) return [];
  const found = others.map(async ({ url, epoch }) => {
    if (held > 0) {
      const other = etcd.epoch === null ? "etcd's data have none yet" : `etcd's data are of epoch ${etcd.epoch}`;
      return `ipconfig ${url} serves epoch ${epoch}, and ${other}: if that stays so, see whether it uses this etcd, and its log`;
    }
    const services = await countServed(url);
    return `etcd holds no services, and ipconfig ${url} still serves ${services} of before: ${WHAT_TO_DO}`;
  });
  return Promise.all(found);
}

/** How many keys there are of services: none is what matters. */
async function countServiceKeys(options: StoreOptions): Promise<number> {
  const store = openStore(options);
  try {
    return (await store.firstKeys(`${store.keys.prefix}/services/`, 1)).count;
  } finally {
    store.close();
  }
}

async function countServed(url: string): Promise<string> {
  return getJson<{ services: object }>(ipconfigAt(url), "/v1/services").then(
    ({ value }) => String(Object.keys(value.services).length),
    () => "those",
  );
}
