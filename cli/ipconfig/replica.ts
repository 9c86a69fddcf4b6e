import type { Logger } from "pino";
import { escapeText } from "../../lua/core/text.ts";
import { listen } from "../listen.ts";
import { type Catalog, createCatalog } from "../store/catalog.ts";
import type { Store } from "../store/etcd.ts";
import { startMirror } from "../store/mirror.ts";
import { keepEpoch } from "./epoch.ts";
import { createEpochDoubts } from "./epoch-doubts.ts";
import { endOverdueOverrides } from "./expiry.ts";
import { createMetrics } from "./metrics.ts";
import { createPublication, RETAIN_MS } from "./publication.ts";
import { createPublisher } from "./publisher.ts";
import { startResolver } from "./resolver.ts";
import { createRouterRegister } from "./routers.ts";
import { createScoreboard } from "./scoreboard.ts";
import { createServer } from "./server.ts";

export interface ReplicaOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly relistMs: number;
}

const PROBE_MS = 1000;
const RESOLVE_MS = 10_000;
const UPKEEP_MS = 1000;
const MAX_WARNINGS = 10_000;

/** Runs one ipconfig: watches etcd, keeps the lists and serves them. @returns its URL, and how to stop it */
export async function startReplica(
  store: Store,
  options: ReplicaOptions,
  logger: Logger,
): Promise<{ url: string; stop(): Promise<void> }> {
  const warned = new Map<string, string>();
  /** Once for each thing that is wrong: it may happen again every second. */
  const warnOnce = (key: string, text: string): void => {
    if (warned.get(key) === text) return;
    if (warned.size > MAX_WARNINGS) warned.clear();
    warned.set(key, text);
    logger.warn(text);
  };
  const scoreboard = createScoreboard(
    () => performance.now(),
    (key, text) => {
      metrics.badSamples.inc();
      warnOnce(key, text);
    },
  );
  const publisher = createPublisher(scoreboard);
  const metrics = createMetrics(publisher, () => mirror.catalog().routingRevision);
  const routers = createRouterRegister(() => performance.now());
  const epochs = keepEpoch(store, (error) => logger.warn(`the epoch can't be written: ${error.message}`));
  let connected = false;

  const onInvalid = (key: string, reason: string): void => {
    metrics.invalidValues.inc();
    warnOnce(key, `ignored ${escapeText(key)} in etcd: ${escapeText(reason)}; the value before it stays in force`);
  };

  const publication = createPublication(
    publisher,
    epochs,
    () => mirror.catalog(),
    () => resolver.resolveNew(),
    (service) => logger.error(`service ${service} was not registered again since etcd lost its data: it is removed`),
  );

  /** Statuses of one batch of changes; taken once the whole batch is in the catalog. */
  let statuses: { service: string; exporter: string; value: string | undefined; modRevision: number }[] = [];
  let first = true;
  const takeStatuses = (catalog: Catalog): void => {
    for (const { service, exporter, value, modRevision } of statuses) {
      const moved = scoreboard.take(service, exporter, value, catalog.services.get(service), first);
      if (moved) publication.onScores(catalog, service, modRevision);
    }
    statuses = [];
    first = false;
  };

  const mirror = startMirror(
    store,
    () =>
      createCatalog(store.keys, onInvalid, (service, exporter, value, modRevision) => {
        statuses.push({ service, exporter, value, modRevision });
      }),
    (catalog) => ({
      onChange: (touched) => {
        takeStatuses(catalog());
        publication.onChange(catalog(), touched);
      },
      onRestored: (empty) => {
        if (publisher.epoch !== undefined) epochs.leave(publisher.epoch);
        publication.forgetWaiting();
        if (!empty) scoreboard.reset();
        // Services come back one after the other, as they are registered again: those that are missing must not vanish.
        if (empty) publication.onDataLost();
        logger.error(
          empty
            ? `etcd has lost its data: each service stays as it was until it is registered again, for ${RETAIN_MS / 60_000} minutes at most after the first one is`
            : "etcd's data is not what it was before, as after a restore: a new epoch begins",
        );
      },
      onConnection: (now, reason) => {
        connected = now;
        metrics.etcdReachable.set(now ? 1 : 0);
        if (now) logger.info(`etcd at ${store.urls} answers`);
        else logger.warn(`etcd does not answer, the last list stays in force: ${reason}`);
      },
      onMissed: (services) => {
        metrics.missedChanges.inc(services.size);
        logger.warn(`the watch had missed changes of ${[...services].join(", ")}`);
      },
      onWatchRestart: (reason) => {
        metrics.watchRestarts.inc();
        logger.warn(`the watch of etcd begins anew: ${reason}`);
      },
    }),
    { relistMs: options.relistMs, probeMs: PROBE_MS, withRevision: true },
  );

  const resolver = startResolver(
    store,
    mirror.catalog,
    (host, error) => logger.warn(`${escapeText(host)} is not resolved: ${error.message}`),
    RESOLVE_MS,
  );

  const upkeep = setInterval(() => {
    // Without etcd nothing can be ended; what is overdue ends when it answers again.
    endOverdueOverrides(store, mirror.catalog(), Date.now()).catch(() => undefined);
    publication.keepUp(mirror.catalog(), mirror.hasLostData());
  }, UPKEEP_MS);

  const doubts = createEpochDoubts({
    now: () => performance.now(),
    epoch: () => publisher.epoch,
    routers: routers.live,
    newestRevision: mirror.probe,
    epochInEtcd: async () => (await store.get(store.keys.epoch())).item?.value,
    leave: (epoch, why) => {
      logger.error(`${why}, as after a restore: a new epoch begins`);
      epochs.leave(epoch);
      publication.onChange(mirror.catalog(), new Set());
    },
  });

  const app = createServer({
    publisher,
    etcdConnected: () => connected,
    // Without what is still to be published: a router that was given a later revision would never ask for it.
    seenRevision: () => (publication.isBehind() ? publisher.revision : mirror.seenRevision()),
    onPoll: doubts.onPoll,
    onAhead: doubts.onAhead,
    acknowledge: (node, report) => {
      doubts.onReport(node, report);
      const behind = routers.live().find((router) => router.node === node);
      const applies = report.workers.every((worker) => worker.revision >= publisher.revision);
      const appliedBefore = behind?.workers.every((worker) => worker.revision >= publisher.revision) ?? true;
      if (applies && !appliedBefore)
        metrics.propagation.observe((performance.now() - publication.publishedAt()) / 1000);
      return routers.acknowledge(node, report);
    },
    routers: routers.live,
    scores: (service) => ({
      coefficients: scoreboard.coefficientsOf(service) ?? null,
      instances: scoreboard.report(service),
    }),
    metrics: () => metrics.registry.metrics(),
  });

  const stopWatching = async (): Promise<void> => {
    clearInterval(upkeep);
    publication.stop();
    resolver.stop();
    await mirror.stop();
  };
  const server = await listen(app, options.host, options.port).catch(async (error: unknown) => {
    await stopWatching();
    throw error;
  });
  return {
    url: server.url,
    stop: async () => {
      await stopWatching();
      await server.close();
    },
  };
}
