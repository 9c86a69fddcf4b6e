import type { Catalog } from "../store/catalog.ts";
import type { EpochKeeper } from "./epoch.ts";
import type { Publisher } from "./publisher.ts";

/** Decides when what has changed is published. */
export interface Publication {
  /** Routing keys of these services have changed; none: only the revision has. Goes out at once. */
  onChange(catalog: Catalog, touched: ReadonlySet<string>): void;
  /** The scores of a service have moved, as of a revision. Goes out with the next batch. */
  onScores(catalog: Catalog, service: string, revision: number): void;
  /** etcd has lost its data: what is published stays, until services come back or the time is over. */
  onDataLost(): void;
  /** To be called every second: tries again what had to wait, and ends what was kept for too long. */
  keepUp(catalog: Catalog, dataIsLost: boolean): void;
  /** What was begun to be published is out of date. */
  forgetWaiting(): void;
  /** Whether there is something that no router can have yet. */
  isBehind(): boolean;
  /** When something was published last, on the steady clock. */
  publishedAt(): number;
  stop(): void;
}

/** Scores move every second: what they change is published four times a second at most. */
const SCORE_INTERVAL_MS = 250;

/** After a loss of data, services that are not registered again stay for this long after the first one is. */
export const RETAIN_MS = 600_000;

/**
 * @param latest the catalog as of now, for what goes out later
 * @param onPublished called after each publication
 * @param onReleased called with a service that is let go because nobody registered it again
 */
export function createPublication(
  publisher: Publisher,
  epochs: EpochKeeper,
  latest: () => Catalog,
  onPublished: () => void,
  onReleased: (service: string) => void,
): Publication {
  /** Services with changes that are not published yet. */
  const unpublished = new Set<string>();
  /** What is there to publish waits for an epoch or a revision, which may have to be asked for again. */
  let waiting = false;
  let releaseAt = Number.POSITIVE_INFINITY;
  let publishedAt = performance.now();
  let batch: NodeJS.Timeout | undefined;

  const publishNews = (catalog: Catalog): void => {
    const epoch = epochs.current(catalog);
    const sameRevision = epoch === publisher.epoch && catalog.revision === publisher.revision;
    waiting = epoch === undefined || (sameRevision && unpublished.size > 0);
    if (epoch === undefined) return;
    if (sameRevision) {
      // A list has found what a watch lost, and later changes are out already: routers would not ask for this revision.
      if (waiting) epochs.renew(catalog);
      return;
    }
    publishedAt = performance.now();
    publisher.publish(catalog, epoch, unpublished);
    unpublished.clear();
    onPublished();
  };

  const release = (catalog: Catalog): void => {
    releaseAt = Number.POSITIVE_INFINITY;
    for (const service of publisher.releaseRetained(catalog)) {
      onReleased(service);
      unpublished.add(service);
      waiting = true;
    }
  };

  return {
    onChange: (catalog, touched) => {
      for (const service of touched) unpublished.add(service);
      // Without a change of routing keys, scores wait for their batch.
      if (touched.size > 0 || batch === undefined) publishNews(catalog);
    },
    onScores: (catalog, service, revision) => {
      catalog.advance(revision);
      unpublished.add(service);
      batch ??= setTimeout(() => {
        batch = undefined;
        publishNews(latest());
      }, SCORE_INTERVAL_MS);
    },
    onDataLost: () => {
      publisher.retainAll();
      releaseAt = performance.now() + RETAIN_MS;
    },
    keepUp: (catalog, dataIsLost) => {
      if (dataIsLost) releaseAt = performance.now() + RETAIN_MS;
      else if (performance.now() > releaseAt) release(catalog);
      if (waiting) publishNews(catalog);
    },
    forgetWaiting: () => {
      waiting = false;
    },
    isBehind: () => unpublished.size > 0,
    publishedAt: () => publishedAt,
    stop: () => clearTimeout(batch),
  };
}
