import type { Override } from "../../lua/core/types.ts";
import { readCatalog, readCatalogOf } from "./catalog.ts";
import { type Author, commitChange, commitParts, inTransactions, type Outcome } from "./change.ts";
import type { Expectation, Operation, Store } from "./etcd.ts";
import { requireInstance, requireService } from "./lookup.ts";

/** One manual weight, as `weight list` shows it. */
export interface ListedOverride extends Override {
  readonly service: string;
  readonly id: string;
}

export interface SetWeights extends Author {
  /** Weight by instance id. */
  readonly weights: ReadonlyMap<string, number>;
  /** Undefined: until they are cleared. */
  readonly ttlSeconds: number | undefined;
  readonly dryRun: boolean;
}

/**
 * Puts manual weights, all of them or none where one transaction holds them (some forty). With a TTL they share a lease,
 * so that they end even if every tool is dead.
 */
export async function setWeights(store: Store, service: string, request: SetWeights): Promise<Outcome> {
  const catalog = await readCatalogOf(store, service);
  const found = requireService(catalog, service);
  const changes: string[] = [];
  const forTime = request.ttlSeconds === undefined ? "" : ` for ${formatSeconds(request.ttlSeconds)}`;
  for (const [id, weight] of request.weights) {
    requireInstance(service, found, id);
    const before = found.overrides.get(id)?.weight ?? found.instances.get(id)!.weight;
    changes.push(`${id}=${weight}${forTime} (was ${before})`);
  }
  if (request.dryRun) return { service, changes, revision: undefined };

  const at = Date.now();
  const lease = request.ttlSeconds === undefined ? undefined : await store.grantLease(request.ttlSeconds);
  const override = (weight: number): Override => ({
    weight,
    by: request.by,
    reason: request.reason,
    at,
    ...(request.ttlSeconds === undefined ? {} : { expiresAt: at + request.ttlSeconds * 1000 }),
  });
  const parts = inTransactions([...request.weights], 2).map((group) => {
    const expectations: Expectation[] = [];
    const operations: Operation[] = [];
    for (const [id, weight] of group) {
      const instanceKey = store.keys.instance(service, id);
      const key = store.keys.override(service, id);
      expectations.push({ key: instanceKey, modRevision: catalog.revisionOf(instanceKey) });
      expectations.push({ key, modRevision: catalog.revisionOf(key) });
      const value = JSON.stringify(override(weight));
      operations.push(lease === undefined ? { put: key, value } : { put: key, value, lease });
    }
    const detail = group.map(([id, weight]) => `${id}=${weight}`).join(" ") + forTime;
    const entry = { at, by: request.by, action: "weight set", detail, reason: request.reason };
    const commit = () => commitChange(store, service, catalog.revision, entry, expectations, operations);
    return { names: group.map(([id]) => id), commit };
  });
  return { service, changes, revision: (await commitParts(parts)).at(-1) };
}

export interface ClearWeights extends Author {
  /** Empty: all of the service's. */
  readonly ids: readonly string[];
  readonly dryRun: boolean;
}

/** Ends manual weights; scores bring the weights from here on. */
export async function clearWeights(store: Store, service: string, request: ClearWeights): Promise<Outcome> {
  const catalog = await readCatalogOf(store, service);
  const known = catalog.services.get(service);
  // The manual weights of a service whose last instance is gone can still be ended.
  const found = known !== undefined && known.overrides.size > 0 ? known : requireService(catalog, service);
  for (const id of request.ids) if (!found.overrides.has(id)) requireInstance(service, found, id);
  const wanted = new Set(request.ids.length > 0 ? request.ids : found.overrides.keys());
  const ids = [...wanted].filter((id) => found.overrides.has(id));
  const changes = ids.map((id) => `${id} (was ${found.overrides.get(id)!.weight} by ${found.overrides.get(id)!.by})`);
  if (request.dryRun || ids.length === 0) return { service, changes, revision: undefined };
  const parts = inTransactions(ids, 1).map((group) => {
    const overrideKeys = group.map((id) => store.keys.override(service, id));
    const entry = {
      at: Date.now(),
      by: request.by,
      action: "weight clear",
      detail: group.join(" "),
      reason: request.reason,
    };
    const expectations = overrideKeys.map((key) => ({ key, modRevision: catalog.revisionOf(key) }));
    const operations = overrideKeys.map((key): Operation => ({ delete: key }));
    const commit = () => commitChange(store, service, catalog.revision, entry, expectations, operations);
    return { names: group, commit };
  });
  return { service, changes, revision: (await commitParts(parts)).at(-1) };
}

/** The manual weights in force, of one service or of all. */
export async function listOverrides(store: Store, service: string | undefined): Promise<ListedOverride[]> {
  const catalog = service === undefined ? await readCatalog(store) : await readCatalogOf(store, service);
  if (service !== undefined) requireService(catalog, service);
  const listed: ListedOverride[] = [];
  for (const [name, { overrides }] of catalog.services) {
    if (service !== undefined && name !== service) continue;
    for (const [id, override] of overrides) listed.push({ service: name, id, ...override });
  }
  return listed.sort((a, b) => a.service.localeCompare(b.service) || a.id.localeCompare(b.id));
}

export function formatSeconds(seconds: number): string {
  if (seconds % 86400 === 0) return `${seconds / 86400}d`;
  if (seconds % 3600 === 0) return `${seconds / 3600}h`;
  return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
}
