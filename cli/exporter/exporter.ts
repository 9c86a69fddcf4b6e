import type { Logger } from "pino";
import { escapeText } from "../../lua/core/text.ts";
import { type Catalog, createCatalog, policyOf } from "../store/catalog.ts";
import type { Operation, Store } from "../store/etcd.ts";
import { startMirror } from "../store/mirror.ts";
import { encodeStatus, type Sample } from "../store/status.ts";
import { createExporterMetrics, type ExporterMetrics } from "./metrics.ts";
import { ownerOf } from "./ownership.ts";
import { type Probe, type ProbeTarget, startProbe } from "./probe.ts";
import { commitInRequests, sizeOf } from "./requests.ts";

export interface ExporterOptions {
  /** Unique among the exporters. */
  readonly id: string;
  readonly intervalMs: number;
}

export interface Exporter {
  readonly metrics: ExporterMetrics;
  stop(): Promise<void>;
}

const RELIST_MS = 30_000;
const PROBE_MS = 1000;

/** Status lives for this many intervals, so that it ends with the exporter that wrote it. */
const TTL_INTERVALS = 3;

/** Asks the instances of its services for their status, and puts one value a service and interval into etcd. */
export async function startExporter(store: Store, options: ExporterOptions, logger: Logger): Promise<Exporter> {
  const { id, intervalMs } = options;
  const probes = new Map<string, { target: ProbeTarget; probe: Probe }>();
  const metrics = createExporterMetrics(() =>
    [...probes.values()].flatMap(({ target, probe }) => {
      const sample = probe.sample();
      return sample === undefined ? [] : [{ target, sample }];
    }),
  );
  const warned = new Set<string>();
  const ownKey = store.keys.exporter(id);
  let registered: { lease: string; modRevision: number; stop(): Promise<void> } | undefined;
  /** The status keys that we have put, and not deleted since. */
  const told = new Set<string>();
  let writing = false;
  let stopped = false;

  /** Once for each thing that is wrong: a broken instance repeats itself every second. */
  const warnOnce = (key: string, text: string): void => {
    if (warned.has(key)) return;
    if (warned.size > 10_000) warned.clear();
    warned.add(key);
    logger.warn(text);
  };

  const mirror = startMirror(
    store,
    () => createCatalog(store.keys),
    (catalog) => ({
      onChange: () => follow(catalog()),
      onRestored: () => undefined,
      onConnection: (connected, reason) => {
        if (connected) logger.info(`etcd at ${store.urls} answers`);
        else logger.warn(`etcd does not answer: ${reason}`);
      },
      onMissed: () => undefined,
      onWatchRestart: (reason) => logger.warn(`the watch of etcd begins anew: ${reason}`),
    }),
    { relistMs: RELIST_MS, probeMs: PROBE_MS, withRevision: false },
  );

  /** Starts and stops probes, so that there is one for every instance of our services that has a status port. */
  const follow = (catalog: Catalog): void => {
    const wanted = new Map<string, ProbeTarget>();
    if (registered !== undefined) {
      for (const [service, found] of catalog.services) {
        if (ownerOf(service, catalog.exporters.keys()) !== id) continue;
        for (const instance of found.instances.values()) {
          const port = Number(instance.metadata.statusPort ?? policyOf(found).statusPort ?? Number.NaN);
          if (!Number.isInteger(port) || port < 1 || port > 65535) continue;
          const target = { service, id: instance.id, address: instance.address, port };
          wanted.set(JSON.stringify(target), target);
        }
      }
    }
    for (const [key, { probe }] of probes) {
      if (wanted.has(key)) continue;
      probe.stop();
      probes.delete(key);
    }
    for (const [key, target] of wanted) {
      if (!probes.has(key)) probes.set(key, { target, probe: probeOf(target) });
    }
  };

  const probeOf = (target: ProbeTarget): Probe => {
    const name = `${target.service}/${target.id}`;
    return startProbe(target, intervalMs, {
      onBadFigure: (figure, value) => {
        metrics.badFigures.inc({ figure });
        warnOnce(`${name} ${figure}`, `${name} reports ${figure} ${escapeText(String(value))}: left out or clamped`);
      },
      onFlood: () => {
        metrics.floods.inc();
        warnOnce(`${name} flood`, `${name} sends far more reports than it was asked for: most are not read`);
      },
      onState: (state, reason) => {
        if (state === "up") logger.info(`${name} is up`);
        else logger.warn(`${name} is ${state}: ${escapeText(reason ?? "")}`);
      },
    });
  };

  const register = async (): Promise<void> => {
    const ttlSeconds = Math.max(2, Math.ceil((intervalMs * TTL_INTERVALS) / 1000));
    const lease = await store.keepLease(ttlSeconds, () => {
      if (registered?.lease !== lease.id) return;
      logger.warn("the lease in etcd was lost: registering again");
      registered = undefined;
    });
    try {
      const value = JSON.stringify({ id, intervalMs, startedAt: Date.now() });
      const written = await store.commit([{ key: ownKey, modRevision: 0 }], [{ put: ownKey, value, lease: lease.id }]);
      if (!written.succeeded) {
        throw new Error(
          `an exporter called ${id} is registered: its lease must end first, or give this one another --id`,
        );
      }
      registered = { lease: lease.id, modRevision: written.revision, stop: lease.stop };
    } catch (error) {
      await lease.stop().catch(() => undefined);
      throw error;
    }
  };

  const write = async (): Promise<void> => {
    if (registered === undefined) {
      await register();
      follow(mirror.catalog());
    }
    const { lease, modRevision } = registered!;
    // Only an exporter that is still registered may write: another one has its services otherwise.
    const alive = [{ key: ownKey, modRevision }];
    const puts = statusPuts(lease);
    // What another exporter looks after now must not be told twice: our lease would keep it for as long as we live.
    const written = new Set(puts.map((operation) => ("put" in operation ? operation.put : "")));
    const deletes = [...told].filter((key) => !written.has(key)).map((key): Operation => ({ delete: key }));
    for (const key of written) told.add(key);
    const isAlive = await commitInRequests(store, alive, [...puts, ...deletes], {
      onWritten: (operations) => {
        for (const operation of operations) if ("delete" in operation) told.delete(operation.delete);
      },
      onRefused: warnOfRefused,
    });
    if (isAlive) return;
    const { stop } = registered!;
    registered = undefined;
    await stop().catch(() => undefined);
  };

  const warnOfRefused = (operations: readonly Operation[], { message }: Error): void => {
    const [largest] = operations.toSorted((a, b) => sizeOf(b) - sizeOf(a));
    const key = "put" in largest! ? largest.put : largest!.delete;
    const parsed = store.keys.parse(key);
    const service = parsed?.kind === "status" ? parsed.service : key;
    const others = operations.length > 1 ? ` and of ${operations.length - 1} others` : "";
    const what = `the status of ${service} (${sizeOf(largest!)} bytes)${others}`;
    warnOnce(`write ${service} ${message}`, `${what} is not written: ${message}`);
  };

  const statusPuts = (lease: string): Operation[] => {
    const services = new Map<string, Map<string, Sample>>();
    for (const { target, probe } of probes.values()) {
      const sample = probe.sample();
      if (sample === undefined) continue;
      let samples = services.get(target.service);
      if (samples === undefined) {
        samples = new Map();
        services.set(target.service, samples);
      }
      samples.set(target.id, rounded(sample));
    }
    const at = Date.now();
    return [...services].map(([service, samples]) => ({
      put: store.keys.status(service, id),
      value: encodeStatus({ at, intervalMs, samples }),
      lease,
    }));
  };

  const timer = setInterval(() => {
    if (writing || stopped) return;
    writing = true;
    const started = performance.now();
    write()
      .then(
        () => metrics.writeSeconds.observe((performance.now() - started) / 1000),
        (error: Error) => warnOnce(`write ${error.message}`, `status is not written: ${error.message}`),
      )
      .finally(() => {
        writing = false;
      });
  }, intervalMs);

  return {
    metrics,
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      for (const { probe } of probes.values()) probe.stop();
      await mirror.stop();
      await registered?.stop().catch(() => undefined);
    },
  };
}

/** Four digits are more than a score can tell apart, and make the values in etcd half as long. */
function rounded(sample: Sample): Sample {
  return Object.fromEntries(
    Object.entries(sample).map(([name, value]) => [
      name,
      typeof value === "number" ? Number(value.toPrecision(4)) : value,
    ]),
  ) as unknown as Sample;
}
