import type { Override } from "../../lua/core/types.ts";
import { isLive } from "../../lua/core/weights.ts";
import { usageError } from "../errors.ts";
import { type Catalog, type CatalogService, readCatalogOf } from "./catalog.ts";
import { commitChange, type Outcome } from "./change.ts";
import type { Expectation, Operation, Store } from "./etcd.ts";
import { requireInstance, requireService } from "./lookup.ts";
import { formatSeconds } from "./overrides.ts";
import type { Write } from "./registration.ts";
import { safeJson } from "./safe-json.ts";
import { parseOverride } from "./schemas.ts";

/** etcd grants no shorter lease. */
const LEAST_TTL_SECONDS = 2;

/**
 * Gives an instance a manual weight of 0, and keeps the manual weight that it has for `restoreInstance`.
 * @param ttlSeconds undefined: until it is restored
 */
export async function drainInstance(
  store: Store,
  service: string,
  id: string,
  ttlSeconds: number | undefined,
  write: Write,
): Promise<Outcome> {
  const { catalog, found, stored, expectations } = await readWeight(store, service, id);
  requireInstance(service, found, id);
  const forTime = ttlSeconds === undefined ? "" : ` for ${formatSeconds(ttlSeconds)}`;
  const was = stored?.override.weight ?? found.instances.get(id)!.weight;
  const changes = [`${id}=0${forTime} (was ${was})`];
  if (write.dryRun) return { service, changes, revision: undefined };
  const at = Date.now();
  const override: Override = {
    ...{ weight: 0, by: write.by, reason: write.reason, at },
    ...(ttlSeconds === undefined ? {} : { expiresAt: at + ttlSeconds * 1000 }),
  };
  const before = stored?.override.weight === 0 ? stored.before : stored?.override;
  const operation = await putOverride(store, service, id, { ...override, before }, ttlSeconds);
  const entry = { at, by: write.by, action: "drain", detail: `${id}=0${forTime}`, reason: write.reason };
  const revision = await commitChange(store, service, catalog.revision, entry, expectations, [operation]);
  return { service, changes, revision };
}

/**
 * Ends a drain. The manual weight that was there before is in force again, for what is left of its time.
 * @throws a usage error when the instance has a manual weight that is no drain
 */
export async function restoreInstance(store: Store, service: string, id: string, write: Write): Promise<Outcome> {
  const { catalog, found, stored, expectations } = await readWeight(store, service, id);
  if (stored === undefined) {
    requireInstance(service, found, id);
    return { service, changes: [], revision: undefined };
  }
  const { weight, by } = stored.override;
  if (weight !== 0) {
    const what = `${id} is not drained, it has the manual weight ${weight} by ${by}`;
    throw usageError(`${what}: routectl weight clear ${service} ${id} ends that`);
  }
  const at = Date.now();
  const before = found.instances.has(id) && isLive(stored.before, at) ? stored.before : undefined;
  const secondsLeft = before?.expiresAt === undefined ? undefined : Math.ceil((before.expiresAt - at) / 1000);
  const forTime = secondsLeft === undefined ? "" : ` for ${formatSeconds(secondsLeft)}`;
  const detail = before === undefined ? id : `${id}=${before.weight}${forTime}`;
  const changes = [`${detail} (was 0 by ${by})`];
  if (write.dryRun) return { service, changes, revision: undefined };
  const operation: Operation =
    before === undefined
      ? { delete: store.keys.override(service, id) }
      : await putOverride(store, service, id, before, secondsLeft);
  const entry = { at, by: write.by, action: "restore", detail, reason: write.reason };
  const revision = await commitChange(store, service, catalog.revision, entry, expectations, [operation]);
  return { service, changes, revision };
}

interface StoredWeight {
  readonly catalog: Catalog;
  readonly found: CatalogService;
  /** Undefined: no manual weight. */
  readonly stored: { readonly override: Override; readonly before: Override | undefined } | undefined;
  /** That the instance and its manual weight are still what they were. */
  readonly expectations: readonly Expectation[];
}

/** The weight of an instance, with what the catalog leaves out: the one before a drain. */
async function readWeight(store: Store, service: string, id: string): Promise<StoredWeight> {
  const catalog = await readCatalogOf(store, service);
  const known = catalog.services.get(service);
  // A drain of an instance that is gone, the last of its service, can still be ended.
  const found = known?.overrides.has(id) ? known : requireService(catalog, service);
  if (!found.overrides.has(id)) requireInstance(service, found, id);
  const [instanceKey, key] = [store.keys.instance(service, id), store.keys.override(service, id)];
  const { item } = await store.get(key);
  const parsed = item === undefined ? undefined : parseOverride(safeJson(item.value));
  const expectations = [
    { key: instanceKey, modRevision: catalog.revisionOf(instanceKey) },
    { key, modRevision: item?.modRevision ?? 0 },
  ];
  return { catalog, found, stored: parsed !== undefined && "override" in parsed ? parsed : undefined, expectations };
}

async function putOverride(
  store: Store,
  service: string,
  id: string,
  value: Override & { readonly before?: Override | undefined },
  ttlSeconds: number | undefined,
): Promise<Operation> {
  const put = { put: store.keys.override(service, id), value: JSON.stringify(value) };
  if (ttlSeconds === undefined) return put;
  return { ...put, lease: await store.grantLease(Math.max(ttlSeconds, LEAST_TTL_SECONDS)) };
}
