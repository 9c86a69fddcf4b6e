import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument, stringify } from "yaml";
import { z } from "zod";
import { isName } from "../../lua/core/names.ts";
import type { Policy } from "../../lua/core/types.ts";
import { usageError } from "../errors.ts";
import { type Catalog, type CatalogService, readCatalog, serviceNames } from "./catalog.ts";
import { commitChange, commitParts, inTransactions, type Outcome, type Part } from "./change.ts";
import type { Store } from "./etcd.ts";
import { describeChange, describeInstance } from "./instance-text.ts";
import { samePolicy } from "./policy.ts";
import { formatPath } from "./policy-issue.ts";
import { policyChanges, policyFields } from "./policy-text.ts";
import { putKeepingLease, sameInstance, type Write } from "./registration.ts";
import { describeIssue, type Instance, NAME_RULE, policySchema, writtenInstanceSchema } from "./schemas.ts";

/** Services, their instances and policies, as `apply` reads and `dump` writes them. */
export interface Manifest {
  readonly services: ReadonlyMap<string, ManifestService>;
}

export interface ManifestService {
  readonly policy: Policy | undefined;
  readonly instances: readonly Instance[];
}

const serviceSchema = z.strictObject(
  {
    policy: policySchema.optional(),
    instances: z.array(writtenInstanceSchema, "must be a list").default([]),
  },
  "must be a map with the keys policy and instances",
);

const manifestSchema = z.strictObject(
  {
    services: z.record(z.string().refine(isName), serviceSchema, {
      error: ({ code }) =>
        code === "invalid_key" ? `must be a name: ${NAME_RULE}` : "must be a map from names to services",
    }),
  },
  "must be a map with the key services",
);

/**
 * Reads a manifest from YAML (or JSON, which is YAML).
 * @param source what the text is called in errors: a file's name
 * @throws a usage error with the line of what is wrong
 */
export function parseManifest(text: string, source: string): Manifest {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const [syntax] = document.errors;
  if (syntax !== undefined) {
    const line = syntax.linePos?.[0].line ?? 1;
    const [message] = syntax.message.split("\n");
    const isSecond = syntax.code === "MULTIPLE_DOCS";
    const says = isSecond
      ? "one document only: put all services under one key services"
      : message!.replace(/ at line.*$/, "");
    throw usageError(`${source}:${line}: ${says}`);
  }
  refuseUnsafeKeys(document, lines, source);
  const parsed = manifestSchema.safeParse(toPlainData(document, source) ?? {});
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const path = issue.code === "unrecognized_keys" ? [...issue.path, issue.keys[0]!] : issue.path;
    const where = issue.code === "unrecognized_keys" && issue.path.length > 0 ? ` in ${formatPath(issue.path)}` : "";
    throw usageError(`${source}:${lineOf(document, lines, path)}: ${describeIssue(parsed.error)}${where}`);
  }
  const services = new Map<string, ManifestService>();
  for (const [name, { policy, instances }] of Object.entries(parsed.data.services)) {
    const seen = new Set<string>();
    instances.forEach(({ id }, index) => {
      if (seen.has(id)) {
        const line = lineOf(document, lines, ["services", name, "instances", index]);
        throw usageError(`${source}:${line}: services.${name}: instance ${id} is there twice`);
      }
      seen.add(id);
    });
    services.set(name, {
      policy,
      instances: instances.map(({ name: display, ...rest }) => ({ ...rest, name: display ?? rest.id })),
    });
  }
  return { services };
}

function toPlainData(document: Document, source: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw usageError(`${source}: ${(error as Error).message}`);
  }
}

/** A key such as `__proto__` would vanish on the way into an object, and with it the error about it. */
function refuseUnsafeKeys(document: Document, lines: LineCounter, source: string): void {
  const visit = (node: unknown): void => {
    if (isMap(node)) {
      for (const { key, value } of node.items) {
        if (isScalar(key) && key.value === "__proto__") {
          throw usageError(`${source}:${lines.linePos(key.range?.[0] ?? 0).line}: unknown key "__proto__"`);
        }
        visit(value);
      }
    } else if (typeof node === "object" && node !== null && "items" in node) {
      for (const item of (node as { items: unknown[] }).items) visit(item);
    }
  };
  visit(document.contents);
}

/** The line of a path, or of the nearest thing above it that is there. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const parent = document.getIn(path.slice(0, depth - 1), true);
    const last = path[depth - 1];
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(last));
      if (isScalar(pair?.key)) return lines.linePos(pair.key.range?.[0] ?? 0).line;
    }
    const node = document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range != null) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

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
  const known = new Set(serviceNames(catalog));
  return plans.map(({ service, steps }) => {
    const revision = revisions[parts.findLastIndex((part) => part.service === service)];
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

/** All services as a manifest that `apply` takes. */
export async function dumpManifest(store: Store): Promise<string> {
  const catalog = await readCatalog(store);
  const services: Record<string, unknown> = {};
  for (const name of serviceNames(catalog)) {
    const { policy, instances } = catalog.services.get(name)!;
    services[name] = {
      ...(policy === undefined ? {} : { policy }),
      instances: [...instances.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    };
  }
  return stringify({ services });
}
