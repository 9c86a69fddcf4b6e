import { type Catalog, type CatalogService, readCatalog, serviceNames } from "./catalog.ts";
import { commitChange, commitParts, inTransactions, type Outcome, type Part } from "./change.ts";
import type { Store } from "./etcd.ts";
import { describeChange, describeInstance } from "./instance-text.ts";
import type { Manifest, ManifestService } from "./manifest.ts";
import { samePolicy } from "./policy.ts";
import { policyChanges, policyFields } from "./policy-text.ts";
import { putKeepingLease, sameInstance, type Write } from "./registration.ts";

/**
 * Makes the services that a manifest names be as it says: adds and changes instances and policies.
 * @param prune also removes the instances of these services that it does not name, and all of a service that it gives
 * neither a policy nor instances; those with a lease have registered themselves, and stay
 */
export async function applyManifest(
  store: Store,
  manifest: Manifest,
  prune: boolean,
  write: Write,
): Promise<Outcome[]> {
  const catalog = await readCatalog(store);
  const plans = [...manifest.services].map(([service, wanted]): Plan => {
    return { service, steps: differences(store, catalog, service, wanted, prune) };
  });
  const parts = write.dryRun ? [] : plans.flatMap((plan) => partsOf(store, catalog, plan, write));
  const revisions = await commitParts(parts);
  const revisionOf = new Map(parts.map((part, i) => [part.service, revisions[i]]));
  const known = new Set(serviceNames(catalog));
  return plans.map(({ service, steps }) => {
    const revision = revisionOf.get(service);
    const isThere = steps.length > 0 || known.has(service);
    const note = "there is no such service, and the file gives it neither a policy nor instances: nothing to change";
    return { service, changes: descriptionsOf(steps), revision, ...(isThere ? {} : { note }) };
  });
}

interface Plan {
  readonly service: string;
  readonly steps: readonly Step[];
}

function partsOf(store: Store, catalog: Catalog, plan: Plan, write: Write): (Part & { readonly service: string })[] {
  const { service, steps } = plan;
  return inTransactions(steps, 1).map((group, i, groups) => {
    const name = groups.length === 1 ? service : `${service} (part ${i + 1} of ${groups.length})`;
    const detail = descriptionsOf(group).join("; ");
    const commit = () =>
      commitChange(
        store,
        service,
        catalog.revision,
        { at: Date.now(), by: write.by, action: "apply", detail, reason: write.reason },
        group.map(({ key }) => ({ key, modRevision: catalog.revisionOf(key) })),
        group.map(({ key, value }) => (value === undefined ? { delete: key } : putKeepingLease(catalog, key, value))),
      );
    return { service, names: [name], commit };
  });
}

interface Step {
  readonly key: string;
  /** Undefined: the key is deleted. */
  readonly value: string | undefined;
  /** Undefined: nothing changes that a user would notice. */
  readonly description: string | undefined;
}

function descriptionsOf(steps: readonly Step[]): string[] {
  return steps.map((step) => step.description).filter((description) => description !== undefined);
}

function differences(store: Store, catalog: Catalog, service: string, wanted: ManifestService, prune: boolean): Step[] {
  const found = catalog.services.get(service);
  const steps: Step[] = [];
  const policyBefore = found?.policy;
  if (wanted.policy !== undefined && (policyBefore === undefined || !samePolicy(wanted.policy, policyBefore))) {
    const value = JSON.stringify(wanted.policy);
    const description = `policy: ${policyChanges(policyBefore ?? {}, wanted.policy).join("; ")}`;
    steps.push({ key: store.keys.policy(service), value, description });
  }
  for (const instance of wanted.instances) {
    const before = found?.instances.get(instance.id);
    if (before !== undefined && sameInstance(before, instance)) continue;
    const description =
      before === undefined ? `add ${describeInstance(instance)}` : `change ${describeChange(before, instance)}`;
    steps.push({ key: store.keys.instance(service, instance.id), value: JSON.stringify(instance), description });
  }
  return prune && found !== undefined ? [...steps, ...removals(store, catalog, service, found, wanted)] : steps;
}

function removals(
  store: Store,
  catalog: Catalog,
  service: string,
  found: CatalogService,
  wanted: ManifestService,
): Step[] {
  const named = new Set(wanted.instances.map(({ id }) => id));
  const isPruned = (id: string): boolean => !named.has(id) && catalog.leaseOf(store.keys.instance(service, id)) === "0";
  const steps: Step[] = [];
  for (const [id, instance] of found.instances) {
    if (!isPruned(id)) continue;
    const description = `remove ${describeInstance(instance)}`;
    steps.push({ key: store.keys.instance(service, id), value: undefined, description });
    // Even where there is none, so that nobody puts a weight for an instance that is about to go.
    steps.push(clearing(store, service, found, id));
  }
  const isNone = wanted.policy === undefined && wanted.instances.length === 0;
  if (!isNone || ![...found.instances.keys()].every(isPruned)) return steps;
  if (found.policy !== undefined) {
    const fields = policyFields(found.policy).map(([path, value]) => `${path}=${value}`);
    const description = `remove the policy: ${fields.join("; ")}`;
    steps.push({ key: store.keys.policy(service), value: undefined, description });
  }
  const left = [...found.overrides.keys()].filter((id) => !found.instances.has(id));
  return [...steps, ...left.map((id) => clearing(store, service, found, id))];
}

function clearing(store: Store, service: string, found: CatalogService, id: string): Step {
  const description = found.overrides.has(id) ? `clear the weight of ${id}` : undefined;
  return { key: store.keys.override(service, id), value: undefined, description };
}
