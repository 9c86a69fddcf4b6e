import type { Logger } from "pino";
import { escapeText } from "../../lua/core/text.ts";
import { listen } from "../listen.ts";
import { type Catalog, createCatalog } from "../store/catalog.ts";
import type { Store } from "../store/etcd.ts";
import { startMirror } from "../store/mirror.ts";
import { keepEpoch } from "./epoch.ts";
import { endOverdueOverrides } from "./expiry.ts";
import { createMetrics } from "./metrics.ts";
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
const SCORE_INTERVAL_MS = 250;
const RETAIN_MS = 600_000;
const MAX_WARNINGS = 10_000;
/** A new epoch makes every router take everything anew: not more often than this. */
const RENEWAL_INTERVAL_MS = 5000;

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
  const metrics = createMetrics(publisher);
  const routers = createRouterRegister(() => performance.now());
  const epochs = keepEpoch(store, (error) => logger.warn(`the epoch can't be written: ${error.message}`));
  let connected = false;
  let publishedAt = performance.now();

  const onInvalid = (key: string, reason: string): void => {
    metrics.invalidValues.inc();
    warnOnce(key, `ignored ${escapeText(key)} in etcd: ${escapeText(reason)}; the value before it stays in force`);
  };

  /** Services with changes that are not published yet. */
  const unpublished = new Set<string>();
  /** What is there to publish waits for an epoch or a revision, which may have to be asked for again. */
  let waiting = false;
  /** When services that etcd has lost are let go, though nobody registered them again. */
  let releaseAt = Number.POSITIVE_INFINITY;

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
    resolver.resolveNew();
  };

  /** Scores move every second: what they change is published four times a second at most. */
  let scorePublication: NodeJS.Timeout | undefined;
  const publishScores = (): void => {
    scorePublication ??= setTimeout(() => {
      scorePublication = undefined;
      publishNews(mirror.catalog());
    }, SCORE_INTERVAL_MS);
  };

  /** Statuses of one batch of changes; taken once the whole batch is in the catalog. */
  let statuses: { service: string; exporter: string; value: string | undefined; modRevision: number }[] = [];
  let first = true;
  const takeStatuses = (catalog: Catalog): void => {
    for (const { service, exporter, value, modRevision } of statuses) {
      if (!scoreboard.take(service, exporter, value, catalog.services.get(service), first)) continue;
      catalog.advance(modRevision);
      unpublished.add(service);
      publishScores();
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
        for (const service of touched) unpublished.add(service);
        // Manual changes go out at once; a change of scores alone waits for its turn.
        if (touched.size > 0 || scorePublication === undefined) publishNews(catalog());
      },
      onRestored: (empty) => {
        if (publisher.epoch !== undefined) epochs.leave(publisher.epoch);
        waiting = false;
        // Services come back one after the other, as they are registered again: those that are missing must not vanish.
        if (empty) {
          publisher.retainAll();
          releaseAt = performance.now() + RETAIN_MS;
        }
        logger.error(
          empty
            ? `etcd has lost its data: each service stays as it was until it is registered again, for ${RETAIN_MS / 60_000} minutes at most after the first one is`
            : "etcd's data is older than before, as after a restore: a new epoch begins",
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
    { relistMs: options.relistMs, probeMs: PROBE_MS },
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
    if (mirror.hasLostData()) releaseAt = performance.now() + RETAIN_MS;
    else if (performance.now() > releaseAt) {
      releaseAt = Number.POSITIVE_INFINITY;
      for (const service of publisher.releaseRetained(mirror.catalog())) {
        logger.error(`service ${service} was not registered again since etcd lost its data: it is removed`);
        unpublished.add(service);
        waiting = true;
      }
    }
    if (waiting) publishNews(mirror.catalog());
  }, UPKEEP_MS);

  let askedAt = Number.NEGATIVE_INFINITY;
  /** Begins a new epoch if etcd itself, asked now, is still at ours. Whoever asks for it, it happens rarely. */
  const renewEpochIf = (why: string, confirm: () => Promise<boolean>): void => {
    if (performance.now() - askedAt < RENEWAL_INTERVAL_MS) return;
    askedAt = performance.now();
    const { epoch } = publisher;
    confirm().then(
      (confirmed) => {
        if (!confirmed || epoch === undefined || epoch !== publisher.epoch) return;
        logger.error(`${why}, as after a restore: a new epoch begins`);
        epochs.leave(epoch);
        publishNews(mirror.catalog());
      },
      () => undefined,
    );
  };

  /** Only what a router has reported that it applies counts: anyone may name a revision. */
  const onAhead = (node: string, revision: number): void => {
    const report = routers.live().find((router) => router.node === node);
    const applied = report?.workers.some((worker) => worker.epoch === publisher.epoch && worker.revision >= revision);
    if (applied !== true) return;
    renewEpochIf("a router has seen newer data than etcd has", async () => (await mirror.probe()) < revision);
  };

  const onLeftEpochs = (left: readonly string[]): void => {
    const { epoch } = publisher;
    if (epoch === undefined || !left.includes(epoch)) return;
    renewEpochIf("a router has left this epoch before", async () => {
      const { item } = await store.get(store.keys.epoch());
      return item?.value === epoch;
    });
  };

  const app = createServer({
    publisher,
    etcdConnected: () => connected,
    // Without what is still to be published: a router that was given a later revision would never ask for it.
    seenRevision: () => (unpublished.size > 0 ? publisher.revision : mirror.seenRevision()),
    onAhead,
    acknowledge: (node, report) => {
      onLeftEpochs(report.leftEpochs);
      const behind = routers.live().find((router) => router.node === node);
      const applies = report.workers.every((worker) => worker.revision >= publisher.revision);
      const appliedBefore = behind?.workers.every((worker) => worker.revision >= publisher.revision) ?? true;
      if (applies && !appliedBefore) metrics.propagation.observe((performance.now() - publishedAt) / 1000);
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
    clearTimeout(scorePublication);
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
