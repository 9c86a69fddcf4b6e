import { randomBytes } from "node:crypto";
import { isName } from "../../lua/core/names.ts";
import type { Catalog } from "../store/catalog.ts";
import type { Store } from "../store/etcd.ts";

/**
 * Keeps the epoch key: one random name for one life of etcd's data. The key is missing after a wipe, and brought back by
 * a restore; then routers must take lists whose revisions are lower than theirs, so the epoch becomes another one.
 */
export interface EpochKeeper {
  /** The epoch to publish under; undefined while it is being made. */
  current(catalog: Catalog): string | undefined;
  /** Writes the epoch once more as it is, so that there is a newer revision to publish something under. */
  renew(catalog: Catalog): void;
  /** The data went back in time under this epoch: it must not be used any more. */
  leave(epoch: string): void;
}

export function keepEpoch(store: Store, onError: (error: Error) => void): EpochKeeper {
  let left: string | undefined;
  let writing = false;

  const write = (catalog: Catalog, epoch: string): void => {
    if (writing) return;
    writing = true;
    const key = store.keys.epoch();
    // Another ipconfig may be first: then its epoch comes with the watch.
    store
      .commit([{ key, modRevision: catalog.revisionOf(key) }], [{ put: key, value: epoch }])
      .catch(onError)
      .finally(() => {
        writing = false;
      });
  };

  return {
    current: (catalog) => {
      const { epoch } = catalog;
      const usable = epoch !== undefined && isName(epoch) && epoch !== left;
      if (usable) return epoch;
      // An empty etcd may be one that has lost its data: no list is made from it.
      if (catalog.services.size > 0) write(catalog, `${Date.now().toString(36)}-${randomBytes(5).toString("hex")}`);
      return undefined;
    },
    renew: (catalog) => {
      if (catalog.epoch !== undefined) write(catalog, catalog.epoch);
    },
    leave: (epoch) => {
      left = epoch;
    },
  };
}
