import type { Catalog } from "../store/catalog.ts";
import type { Store } from "../store/etcd.ts";

/** Clocks differ: an override is ended by hand only when it is overdue by this much. */
const GRACE_MS = 2000;

/**
 * Ends overrides that say when they expire but have no lease that would end them: written by other means than routectl.
 * What has a lease is left to etcd, whose clock is the only one that counts.
 */
export async function endOverdueOverrides(store: Store, catalog: Catalog, nowMs: number): Promise<void> {
  for (const [service, { overrides }] of catalog.services) {
    for (const [id, { expiresAt }] of overrides) {
      const key = store.keys.override(service, id);
      if (expiresAt !== undefined && expiresAt + GRACE_MS < nowMs && catalog.leaseOf(key) === "0") {
        await store.commit([{ key, modRevision: catalog.revisionOf(key) }], [{ delete: key }]);
      }
    }
  }
}
