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
  /** The data went back in time under this epoch: it must not be used any more. */
  leave(epoch: string): void;
}

export function keepEpoch(store: Store, onError: (error: Error) => void): EpochKeeper {
  let left: string | undefined;
  let writing = false;

  const write = async (expectedRevision: number): Promise<void> => {
    const key = store.keys.epoch();
    const epoch = `${Date.now().toString(36)}-${randomBytes(5).toString("hex")}`;
    // Another ipconfig may be first: then its epoch comes with the watch.
    await store.commit([{ key, modRevision: expectedRevision }], [{ put: key, value: epoch }]);
  };

  return {
    current: (catalog) => {
      const { epoch } = catalog;
      const usable = epoch !== undefined && isName(epoch) && epoch !== left;
      if (usable) return epoch;
      // An empty etcd may be one that has lost its data: no list is made from it.
      if (catalog.services.size > 0 && !writing) {
        writing = true;
        write(catalog.revisionOf(store.keys.epoch()))
          .catch(onError)
          .finally(() => {
            writing = false;
          });
      }
      return undefined;
    },
    leave: (epoch) => {
      left = epoch;
    },
  };
}
