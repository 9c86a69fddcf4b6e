import { setTimeout as delay } from "node:timers/promises";
import type { Catalog } from "./catalog.ts";
import type { KeyValue, Store } from "./etcd.ts";

/** What the mirror of etcd tells. All calls are synchronous and in order. */
export interface MirrorHandler {
  /** The catalog has changed, up to `revision`. */
  onChange(touched: ReadonlySet<string>, revision: number): void;
  /** etcd's data is not what was read before, and what came of that: it was wiped, or restored from a backup. */
  onRestored(catalogIsEmpty: boolean): void;
  onConnection(connected: boolean, reason: string): void;
  /** A list has found differences that the watch had not told of. */
  onMissed(services: ReadonlySet<string>): void;
  onWatchRestart(reason: string): void;
}

export interface MirrorOptions {
  /** How often everything is listed again, to find what a watch lost. */
  readonly relistMs: number;
  /** How often etcd is asked for a sign of life. */
  readonly probeMs: number;
  /** Whether the catalog's revision is needed, and with it that of the history: a write may change nothing else. */
  readonly withRevision: boolean;
}

export interface Mirror {
  catalog(): Catalog;
  /** Whether etcd was found empty after it had held data, and still is; the catalog is what it held. */
  hasLostData(): boolean;
  /** The newest revision of etcd that the catalog has caught up with. */
  seenRevision(): number;
  /** Asks etcd for its newest revision. */
  probe(): Promise<number>;
  stop(): Promise<void>;
}

const RETRY_MS = 250;

/**
 * Keeps a catalog equal to etcd: list, then watch from there, list again when the watch is lost and every so often.
 * While etcd is away the catalog stays as it is.
 */
export function startMirror(
  store: Store,
  createCatalog: () => Catalog,
  handler: (catalog: () => Catalog) => MirrorHandler,
  options: MirrorOptions,
): Mirror {
  let catalog = createCatalog();
  const told = handler(() => catalog);
  const stopping = new AbortController();
  const prefix = `${store.keys.prefix}/`;
  let lastRevision = 0;
  /** The newest value that was seen: what tells two lives of etcd's data apart when the later one has as many revisions. */
  let newest: KeyValue | undefined;
  let connected: boolean | undefined;
  /** etcd was found empty after it had held data: the old catalog stays until there is something to put in its place. */
  let lostData = false;

  const setConnected = (now: boolean, reason: string): void => {
    if (connected === now) return;
    connected = now;
    told.onConnection(now, reason);
  };

  const list = async (afterWatch: boolean): Promise<number> => {
    // There may be far more history than anything else, and only its newest revision counts.
    const histories = store.keys.allHistories();
    const { items, revision } = await store.list(prefix, histories);
    const historyRevision = options.withRevision ? await store.newestRevision(histories, revision) : 0;
    const isOtherLife = revision < lastRevision || (newest !== undefined && (await store.hasWritten(newest)) === false);
    setConnected(true, "");
    newest = newestOf(items);
    if (isOtherLife || lostData) {
      const hasServices = items.some((item) => item.key.startsWith(`${prefix}services/`));
      if (!lostData || hasServices) told.onRestored(!hasServices);
      lostData = !hasServices;
      if (hasServices) catalog = createCatalog();
    }
    lastRevision = revision;
    if (lostData) return revision;
    const touched = catalog.reconcile(items, revision, historyRevision);
    if (afterWatch && touched.size > 0) told.onMissed(touched);
    told.onChange(touched, catalog.revision);
    return revision;
  };

  const watchUntilLost = (fromRevision: number): Promise<string> =>
    new Promise((resolve) => {
      const relist = setTimeout(() => finish(""), options.relistMs);
      const probe = setInterval(() => {
        const before = lastRevision;
        void probeRevision().then(
          (revision) => {
            if (revision < before) finish("etcd's data is older than before");
          },
          (error: Error) => {
            setConnected(false, error.message);
            finish(error.message);
          },
        );
      }, options.probeMs);
      const watch = store.watch(prefix, fromRevision, {
        onChanges: (changes, revision) => {
          lastRevision = Math.max(lastRevision, revision);
          newest = newestOf(changes.flatMap((change) => (change.type === "put" ? change.item : []))) ?? newest;
          if (lostData) return finish("there is data again");
          told.onChange(catalog.apply(changes), catalog.revision);
        },
        onLost: (reason) => finish(reason),
      });
      const onAbort = (): void => finish("");
      stopping.signal.addEventListener("abort", onAbort);
      // Asked to stop while the list was under way.
      if (stopping.signal.aborted) onAbort();
      function finish(reason: string): void {
        clearTimeout(relist);
        clearInterval(probe);
        stopping.signal.removeEventListener("abort", onAbort);
        watch.close();
        resolve(reason);
      }
    });

  const probeRevision = async (): Promise<number> => {
    const { revision } = await store.get(store.keys.epoch());
    setConnected(true, "");
    return revision;
  };

  const run = async (): Promise<void> => {
    let afterWatch = false;
    while (!stopping.signal.aborted) {
      try {
        const revision = await list(afterWatch);
        const reason = await watchUntilLost(revision + 1);
        afterWatch = reason === "";
        if (reason !== "") told.onWatchRestart(reason);
      } catch (error) {
        setConnected(false, (error as Error).message);
        afterWatch = false;
        await delay(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  };
  const running = run();

  return {
    catalog: () => catalog,
    hasLostData: () => lostData,
    seenRevision: () => lastRevision,
    probe: probeRevision,
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

function newestOf(items: readonly KeyValue[]): KeyValue | undefined {
  let newest: KeyValue | undefined;
  for (const item of items) if (newest === undefined || item.modRevision > newest.modRevision) newest = item;
  return newest;
}
