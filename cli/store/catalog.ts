import { isIpLiteral } from "../../lua/core/address.ts";
import { isName } from "../../lua/core/names.ts";
import { DEFAULT_POLICY } from "../../lua/core/policy.ts";
import type { Override, Policy } from "../../lua/core/types.ts";
import type { Change, KeyValue, Store } from "./etcd.ts";
import type { Keys } from "./keys.ts";
import { type Instance, parseInstance, parseOverride, parsePolicy } from "./schemas.ts";

/** What etcd holds about one service. */
export interface CatalogService {
  policy: Policy | undefined;
  readonly instances: Map<string, Instance>;
  readonly overrides: Map<string, Override>;
}

/**
 * The services, as a mirror of etcd's keys. An invalid value is reported and ignored: the previous good value of that
 * key stays in force.
 */
export interface Catalog {
  readonly services: ReadonlyMap<string, CatalogService>;
  /** Addresses of DNS names, as the ipconfigs have agreed on. */
  readonly resolved: ReadonlyMap<string, string>;
  /** The exporters that are live, and since which revision. */
  readonly exporters: ReadonlyMap<string, number>;
  readonly epoch: string | undefined;
  /** The newest change of a key that routing depends on, deletions seen by this mirror included. */
  readonly revision: number;
  /** The same without what a list or a score adds to it: all mirrors agree on it, but for deletions that one has not seen. */
  readonly routingRevision: number;
  /** @returns the services that the changes touch */
  apply(changes: readonly Change[]): Set<string>;
  /**
   * Makes the mirror equal to a list of all keys but the history's, read at `revision`. A list does not tell when a key was
   * deleted, so where it differs from the mirror the mirror's revision becomes that of the list.
   * @param historyRevision the newest one of the history's keys
   * @returns the services in which it differed
   */
  reconcile(items: readonly KeyValue[], revision: number, historyRevision?: number): Set<string>;
  /** Something else than a routing key makes a list change, as of this revision. */
  advance(revision: number): void;
  /** The revision to expect in a compare-and-swap; 0 when the key is not there. */
  revisionOf(key: string): number;
  leaseOf(key: string): string;
}

/** Called with the key of a value that is not valid, and why. */
export type InvalidHandler = (key: string, reason: string) => void;

/** Called with what an exporter has put for a service; the value is undefined when it is gone. */
export type StatusHandler = (service: string, exporter: string, value: string | undefined, modRevision: number) => void;

export function createCatalog(
  keys: Keys,
  onInvalid: InvalidHandler = () => undefined,
  onStatus: StatusHandler = () => undefined,
): Catalog {
  const services = new Map<string, CatalogService>();
  const resolved = new Map<string, string>();
  const exporters = new Map<string, number>();
  const known = new Map<string, { modRevision: number; lease: string }>();
  let epoch: string | undefined;
  let revision = 0;
  let routingRevision = 0;
  const noteRouting = (modRevision: number): void => {
    routingRevision = Math.max(routingRevision, modRevision);
    revision = Math.max(revision, modRevision);
  };

  const serviceOf = (name: string): CatalogService => {
    let service = services.get(name);
    if (service === undefined) {
      service = { policy: undefined, instances: new Map(), overrides: new Map() };
      services.set(name, service);
    }
    return service;
  };
  const dropIfEmpty = (name: string): void => {
    const service = services.get(name);
    if (service?.policy === undefined && service?.instances.size === 0 && service.overrides.size === 0) {
      services.delete(name);
    }
  };

  const put = (item: KeyValue, touched: Set<string>): void => {
    const key = keys.parse(item.key);
    if (key?.kind === "history") return noteRouting(item.modRevision);
    known.set(item.key, { modRevision: item.modRevision, lease: item.lease });
    if (key === undefined) return onInvalid(item.key, "not a key of routectl");
    if (key.kind === "status") return onStatus(key.service, key.id, item.value, item.modRevision);
    if (key.kind === "exporter") {
      exporters.set(key.id, item.modRevision);
      return;
    }
    noteRouting(item.modRevision);
    if (key.kind === "epoch") {
      epoch = item.value;
      return;
    }
    const value = parseJson(item.value);
    if (value === undefined) return onInvalid(item.key, "not JSON");
    if (key.kind === "resolved") {
      const { address } = value as { address?: unknown };
      if (!isIpLiteral(address)) return onInvalid(item.key, "address: must be an IP address");
      resolved.set(key.host, address);
      for (const [name, service] of services) {
        for (const instance of service.instances.values()) if (instance.address === key.host) touched.add(name);
      }
      return;
    }
    touched.add(key.service);
    if (key.kind === "policy") {
      const parsed = parsePolicy(value);
      if ("error" in parsed) return onInvalid(item.key, parsed.error);
      serviceOf(key.service).policy = parsed.policy;
    } else if (key.kind === "instance") {
      const parsed = parseInstance(value);
      if ("error" in parsed) return onInvalid(item.key, parsed.error);
      if (parsed.instance.id !== key.id) return onInvalid(item.key, `id: must be ${key.id}, as in the key`);
      serviceOf(key.service).instances.set(key.id, parsed.instance);
    } else {
      const parsed = parseOverride(value);
      if ("error" in parsed) return onInvalid(item.key, parsed.error);
      serviceOf(key.service).overrides.set(key.id, parsed.override);
    }
  };

  const remove = (rawKey: string, modRevision: number, touched: Set<string>): void => {
    known.delete(rawKey);
    const key = keys.parse(rawKey);
    if (key === undefined || key.kind === "history") return;
    if (key.kind === "status") return onStatus(key.service, key.id, undefined, modRevision);
    if (key.kind === "exporter") {
      exporters.delete(key.id);
      return;
    }
    noteRouting(modRevision);
    if (key.kind === "epoch") epoch = undefined;
    else if (key.kind === "resolved") resolved.delete(key.host);
    else {
      touched.add(key.service);
      const service = services.get(key.service);
      if (key.kind === "policy") {
        if (service !== undefined) service.policy = undefined;
      } else if (key.kind === "instance") service?.instances.delete(key.id);
      else service?.overrides.delete(key.id);
      dropIfEmpty(key.service);
    }
  };

  return {
    services,
    resolved,
    exporters,
    get epoch() {
      return epoch;
    },
    get revision() {
      return revision;
    },
    get routingRevision() {
      return routingRevision;
    },
    apply: (changes) => {
      const touched = new Set<string>();
      for (const change of changes) {
        if (change.type === "put") put(change.item, touched);
        else remove(change.key, change.modRevision, touched);
      }
      return touched;
    },
    reconcile: (items, listRevision, historyRevision = 0) => {
      const touched = new Set<string>();
      const present = new Set<string>();
      const first = revision === 0;
      for (const item of items) {
        present.add(item.key);
        if (known.get(item.key)?.modRevision !== item.modRevision) put(item, touched);
      }
      for (const key of [...known.keys()]) if (!present.has(key)) remove(key, 0, touched);
      noteRouting(historyRevision);
      if (first || touched.size > 0) revision = Math.max(revision, listRevision);
      return touched;
    },
    advance: (to) => {
      revision = Math.max(revision, to);
    },
    revisionOf: (key) => known.get(key)?.modRevision ?? 0,
    leaseOf: (key) => known.get(key)?.lease ?? "0",
  };
}

/** The services as etcd has them now; history and status are not read. */
export async function readCatalog(store: Store, onInvalid?: InvalidHandler): Promise<Catalog> {
  const catalog = createCatalog(store.keys, onInvalid);
  const [services, overrides] = await Promise.all([
    store.list(`${store.keys.prefix}/services/`),
    store.list(`${store.keys.prefix}/overrides/`),
  ]);
  catalog.reconcile([...services.items, ...overrides.items], services.revision);
  return catalog;
}

/** The same of one service alone; of all of them where it is not there, so that the nearest name can be told. */
export async function readCatalogOf(store: Store, service: string): Promise<Catalog> {
  if (!isName(service)) return readCatalog(store);
  const catalog = createCatalog(store.keys);
  const [own, overrides] = await Promise.all([
    store.list(store.keys.service(service)),
    store.list(store.keys.overrides(service)),
  ]);
  if (own.items.length === 0) return readCatalog(store);
  catalog.reconcile([...own.items, ...overrides.items], own.revision);
  return catalog;
}

/** The names of the services that are there: those with a policy or an instance. */
export function serviceNames(catalog: Catalog): string[] {
  const names: string[] = [];
  for (const [name, service] of catalog.services) {
    if (service.policy !== undefined || service.instances.size > 0) names.push(name);
  }
  return names.sort();
}

export function policyOf(service: CatalogService): Policy {
  return service.policy ?? DEFAULT_POLICY;
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
