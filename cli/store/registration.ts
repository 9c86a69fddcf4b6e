import { usageError } from "../errors.ts";
import { type Catalog, readCatalogOf } from "./catalog.ts";
import { type Author, commitChange, type Outcome } from "./change.ts";
import type { Operation, Store } from "./etcd.ts";
import { describeChange, describeInstance } from "./instance-text.ts";
import { requireInstance, requireName, requireService } from "./lookup.ts";
import { type Instance, parseInstance, writtenInstanceSchema } from "./schemas.ts";

export interface Write extends Author {
  readonly dryRun: boolean;
}

/** An instance as a user typed it: what is not given keeps the value that it has, or gets the default. */
export interface InstanceInput {
  readonly id: string;
  readonly name?: string | undefined;
  readonly address?: string | undefined;
  readonly port?: number | undefined;
  readonly weight?: number | undefined;
  /** Key by key; an empty text takes the key away. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** Registers an instance, or changes a registered one; makes the service where there is none. */
export async function registerInstance(
  store: Store,
  service: string,
  input: InstanceInput,
  write: Write,
): Promise<Outcome> {
  requireName("service", service);
  requireName("instance", input.id);
  const catalog = await readCatalogOf(store, service);
  const before = catalog.services.get(service)?.instances.get(input.id);
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  const metadata = mergeMetadata(before?.metadata, input.metadata);
  const parsed = parseInstance({ ...before, ...given, metadata }, writtenInstanceSchema);
  if ("error" in parsed) throw usageError(`instance ${input.id}: ${parsed.error}`);
  const { instance } = parsed;
  if (before !== undefined && sameInstance(before, instance)) return { service, changes: [], revision: undefined };
  const description = before === undefined ? describeInstance(instance) : describeChange(before, instance);
  const changes = [`${before === undefined ? "add" : "change"} ${description}`];
  if (write.dryRun) return { service, changes, revision: undefined };
  const key = store.keys.instance(service, instance.id);
  const revision = await commitChange(
    store,
    service,
    catalog.revision,
    {
      at: Date.now(),
      by: write.by,
      action: "service register",
      detail: description,
      reason: write.reason,
    },
    [{ key, modRevision: catalog.revisionOf(key) }],
    [putKeepingLease(catalog, key, JSON.stringify(instance))],
  );
  return { service, changes, revision };
}

function mergeMetadata(before: InstanceInput["metadata"], given: InstanceInput["metadata"]): Record<string, string> {
  return Object.fromEntries([
    ...Object.entries(before ?? {}).filter(([key]) => given === undefined || !Object.hasOwn(given, key)),
    ...Object.entries(given ?? {}).filter(([, value]) => value !== ""),
  ]);
}

/** Takes an instance off a service, and its manual weight with it. */
export async function deregisterInstance(store: Store, service: string, id: string, write: Write): Promise<Outcome> {
  const catalog = await readCatalogOf(store, service);
  const found = requireService(catalog, service);
  requireInstance(service, found, id);
  const changes = [`remove ${describeInstance(found.instances.get(id)!)}`];
  if (write.dryRun) return { service, changes, revision: undefined };
  // The weight's key even where there is none, so that nobody puts one for an instance that is about to go.
  const keys = [store.keys.instance(service, id), store.keys.override(service, id)];
  const revision = await commitChange(
    store,
    service,
    catalog.revision,
    { at: Date.now(), by: write.by, action: "service deregister", detail: id, reason: write.reason },
    keys.map((key) => ({ key, modRevision: catalog.revisionOf(key) })),
    keys.map((key): Operation => ({ delete: key })),
  );
  return { service, changes, revision };
}

/** An instance that has registered itself goes when its lease ends, whoever has changed it since. */
export function putKeepingLease(catalog: Catalog, key: string, value: string): Operation {
  const lease = catalog.leaseOf(key);
  return lease === "0" ? { put: key, value } : { put: key, value, lease };
}

export function sameInstance(a: Instance, b: Instance): boolean {
  return canonical(a) === canonical(b);
}

function canonical(instance: Instance): string {
  const { id, name, address, port, weight, metadata } = instance;
  return JSON.stringify([id, name, address, port, weight, Object.entries(metadata).sort()]);
}
