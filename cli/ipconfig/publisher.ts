import { isIpLiteral } from "../../lua/core/address.ts";
import { buildServiceList, type ScoredInstance, sameServiceList } from "../../lua/core/service-list.ts";
import { MAX_INSTANCES } from "../../lua/core/snapshot-check.ts";
import type { ServiceList } from "../../lua/core/types.ts";
import type { Catalog, CatalogService } from "../store/catalog.ts";

interface Published {
  readonly list: ServiceList;
  /** The list as JSON, made once: an answer to a poll only puts such texts together. */
  readonly json: string;
}

/** The lists as routers see them, with what changed when, so that a poll is answered with the changes alone. */
export interface Publisher {
  readonly epoch: string | undefined;
  readonly revision: number;
  readonly lists: ReadonlyMap<string, Published>;
  /** Takes over what the catalog says of the touched services; all of it when the epoch is another one. */
  publish(catalog: Catalog, epoch: string, touched: ReadonlySet<string>): void;
  /** etcd has lost its data: services that are not in it again yet stay as they are, until they are let go. */
  retainAll(): void;
  /** Lets go of what was retained and is not in the catalog. @returns the services that this removes */
  releaseRetained(catalog: Catalog): Set<string>;
  /** The answer for a router at a position; undefined when there is nothing newer for it. */
  snapshotSince(epoch: string | undefined, revision: number): PublishedSnapshot | undefined;
  /** Everything, for a router that may have lists of another ipconfig. @param revision up to which our lists are */
  fullSnapshot(revision: number): PublishedSnapshot | undefined;
  /** Resolves when something newer was published, or `timeoutMs` has passed, or the signal aborts. */
  waitForNews(timeoutMs: number, signal: AbortSignal): Promise<void>;
}

export interface PublishedSnapshot {
  readonly revision: number;
  /** The JSON of a Snapshot. */
  readonly body: string;
}

const SCORE_DIGITS = 4;

/** So many changes are remembered; a router that is further behind gets everything. */
const MAX_CHANGES = 10_000;

/** What the lists need besides the catalog: each instance's score, and whether it is among the best. */
export interface Scores {
  scoreOf(service: string, id: string): number;
  isChosen(service: string, id: string): boolean;
}

export function createPublisher(scores: Scores): Publisher {
  let epoch: string | undefined;
  let revision = 0;
  /** The state from which the remembered changes go on. */
  let baseRevision = 0;
  let changes: { revision: number; service: string }[] = [];
  const lists = new Map<string, Published>();
  const waiting = new Set<() => void>();
  let retained = new Set<string>();

  const update = (catalog: Catalog, name: string): boolean => {
    const service = catalog.services.get(name);
    const before = lists.get(name);
    if (service === undefined || (service.policy === undefined && service.instances.size === 0)) {
      return retained.has(name) ? false : lists.delete(name);
    }
    retained.delete(name);
    const list = buildServiceList(catalog.revision, service.policy, candidatesOf(catalog, name, service, scores));
    if (before !== undefined && sameServiceList(before.list, list)) return false;
    lists.set(name, { list, json: JSON.stringify(list) });
    return true;
  };

  const publish: Publisher["publish"] = (catalog, newEpoch, touched) => {
    if (newEpoch !== epoch) {
      epoch = newEpoch;
      for (const name of [...lists.keys()]) if (!retained.has(name)) lists.delete(name);
      changes = [];
      baseRevision = catalog.revision;
      for (const name of catalog.services.keys()) update(catalog, name);
    } else {
      for (const name of touched) {
        if (update(catalog, name)) changes.push({ revision: catalog.revision, service: name });
      }
      if (changes.length > MAX_CHANGES) {
        changes = changes.slice(-MAX_CHANGES / 2);
        // Other changes of the first one's revision may be among those let go.
        baseRevision = changes[0]!.revision;
      }
    }
    revision = catalog.revision;
    for (const wake of [...waiting]) wake();
  };

  const compose = (names: Iterable<string>, full: boolean, upTo: number): PublishedSnapshot => {
    const services: string[] = [];
    const removed: string[] = [];
    for (const name of names) {
      const published = lists.get(name);
      if (published === undefined) removed.push(name);
      else services.push(`${JSON.stringify(name)}:${published.json}`);
    }
    const head = `"schema":1,"epoch":${JSON.stringify(epoch)},"revision":${upTo},"full":${full}`;
    const body = `{${head},"services":{${services.join(",")}},"removed":${JSON.stringify(removed)}}`;
    return { revision: upTo, body };
  };

  const fullSnapshot: Publisher["fullSnapshot"] = (upTo) =>
    epoch === undefined ? undefined : compose(lists.keys(), true, Math.max(revision, upTo));

  const snapshotSince: Publisher["snapshotSince"] = (routerEpoch, routerRevision) => {
    if (routerEpoch !== epoch || routerRevision < baseRevision) return fullSnapshot(revision);
    if (routerRevision >= revision) return undefined;
    const changed = new Set<string>();
    for (let i = changes.length - 1; i >= 0 && changes[i]!.revision > routerRevision; i--)
      changed.add(changes[i]!.service);
    return compose(changed, false, revision);
  };

  return {
    get epoch() {
      return epoch;
    },
    get revision() {
      return revision;
    },
    lists,
    publish,
    retainAll: () => {
      retained = new Set(lists.keys());
    },
    releaseRetained: (catalog) => {
      const gone = new Set([...retained].filter((name) => !catalog.services.has(name)));
      retained.clear();
      return gone;
    },
    snapshotSince,
    fullSnapshot,
    waitForNews: (timeoutMs, signal) =>
      new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          waiting.delete(done);
          signal.removeEventListener("abort", done);
          resolve();
        };
        const timer = setTimeout(done, timeoutMs);
        waiting.add(done);
        signal.addEventListener("abort", done);
        if (signal.aborted) done();
      }),
  };
}

/**
 * The instances of a service with an address that routers can use: those whose name is not resolved yet are left out, and
 * those above the number that a router takes.
 */
function candidatesOf(catalog: Catalog, name: string, service: CatalogService, scores: Scores): ScoredInstance[] {
  const candidates: ScoredInstance[] = [];
  for (const instance of service.instances.values()) {
    const address = isIpLiteral(instance.address) ? instance.address : catalog.resolved.get(instance.address);
    if (!isIpLiteral(address)) continue;
    if (candidates.length === MAX_INSTANCES) break;
    const { id } = instance;
    // Routers keep lists as JSON with 14 digits: a score must come back from it as it was.
    const score = Number(scores.scoreOf(name, id).toFixed(SCORE_DIGITS));
    candidates.push({
      ...instance,
      address,
      score,
      chosen: scores.isChosen(name, id),
      override: service.overrides.get(id),
    });
  }
  return candidates;
}
