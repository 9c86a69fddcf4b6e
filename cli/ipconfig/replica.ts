import { serve } from "@hono/node-server";
import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import { escapeText } from "../../lua/core/text.ts";
import { EXIT, RoutectlError } from "../errors.ts";
import { createCatalog } from "../store/catalog.ts";
import type { Store } from "../store/etcd.ts";
import { keepEpoch } from "./epoch.ts";
import { endOverdueOverrides } from "./expiry.ts";
import { createMetrics } from "./metrics.ts";
import { startMirror } from "./mirror.ts";
import { createPublisher } from "./publisher.ts";
import { startResolver } from "./resolver.ts";
import { createRouterRegister } from "./routers.ts";
import { createServer } from "./server.ts";

export interface ReplicaOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly relistMs: number;
}

const PROBE_MS = 1000;
const RESOLVE_MS = 10_000;
const EXPIRY_MS = 1000;
/** At most this often a router that is ahead makes us ask etcd whether it went back in time. */
const AHEAD_INTERVAL_MS = 1000;

/** Runs one ipconfig: watches etcd, keeps the lists and serves them. @returns its URL, and how to stop it */
export async function startReplica(
  store: Store,
  options: ReplicaOptions,
  logger: Logger,
): Promise<{ url: string; stop(): Promise<void> }> {
  const publisher = createPublisher();
  const metrics = createMetrics(publisher);
  const routers = createRouterRegister(() => performance.now());
  const epochs = keepEpoch(store, (error) => logger.warn(`the epoch can't be written: ${error.message}`));
  let connected = false;
  let publishedAt = performance.now();
  const warned = new Map<string, string>();

  const onInvalid = (key: string, reason: string): void => {
    metrics.invalidValues.inc();
    if (warned.get(key) === reason) return;
    warned.set(key, reason);
    logger.warn(`ignored ${escapeText(key)} in etcd: ${escapeText(reason)}; the value before it stays in force`);
  };

  const mirror = startMirror(
    store,
    () => createCatalog(store.keys, onInvalid),
    (catalog) => ({
      onChange: (touched) => {
        const epoch = epochs.current(catalog());
        if (epoch === undefined) return;
        if (epoch === publisher.epoch && catalog().revision === publisher.revision) return;
        publishedAt = performance.now();
        publisher.publish(catalog(), epoch, epoch === publisher.epoch ? touched : new Set());
        resolver.resolveNew();
      },
      onRestored: (empty) => {
        if (publisher.epoch !== undefined) epochs.leave(publisher.epoch);
        logger.error(
          empty
            ? "etcd has lost its data: the last list stays in force until services are registered or restored"
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

  const expiry = setInterval(() => {
    // Without etcd nothing can be ended; what is overdue ends when it answers again.
    endOverdueOverrides(store, mirror.catalog(), Date.now()).catch(() => undefined);
  }, EXPIRY_MS);

  let askedAt = 0;
  const onAhead = (revision: number): void => {
    if (performance.now() - askedAt < AHEAD_INTERVAL_MS) return;
    askedAt = performance.now();
    const { epoch } = publisher;
    mirror.probe().then(
      (newest) => {
        if (newest >= revision || epoch === undefined || epoch !== publisher.epoch) return;
        logger.error("a router has seen newer data than etcd has, as after a restore: a new epoch begins");
        epochs.leave(epoch);
        epochs.current(mirror.catalog());
      },
      () => undefined,
    );
  };

  const app = createServer({
    publisher,
    etcdConnected: () => connected,
    onAhead,
    acknowledge: (node, report) => {
      const behind = routers.live().find((router) => router.node === node);
      const applies = report.workers.every((worker) => worker.revision >= publisher.revision);
      const appliedBefore = behind?.workers.every((worker) => worker.revision >= publisher.revision) ?? true;
      if (applies && !appliedBefore) metrics.propagation.observe((performance.now() - publishedAt) / 1000);
      return routers.acknowledge(node, report);
    },
    routers: routers.live,
    metrics: () => metrics.registry.metrics(),
  });

  const server = await new Promise<ReturnType<typeof serve>>((resolve, reject) => {
    const listening = serve({ fetch: app.fetch, hostname: options.host, port: options.port }, () => resolve(listening));
    listening.on("error", (error: NodeJS.ErrnoException) => {
      reject(
        new RoutectlError(
          "listen",
          EXIT.error,
          error.code === "EADDRINUSE"
            ? `${options.host}:${options.port} is taken: stop what listens there, or choose another with --listen HOST:PORT`
            : `can't listen on ${options.host}:${options.port}: ${error.message}`,
          error,
        ),
      );
    });
  }).catch(async (error: unknown) => {
    clearInterval(expiry);
    resolver.stop();
    await mirror.stop();
    throw error;
  });
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;

  return {
    url: `http://${host}:${port}`,
    stop: async () => {
      clearInterval(expiry);
      resolver.stop();
      await mirror.stop();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      });
    },
  };
}
