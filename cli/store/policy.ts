import { isDeepStrictEqual } from "node:util";
import { checkPolicy } from "../../lua/core/policy.ts";
import type { Policy } from "../../lua/core/types.ts";
import { usageError } from "../errors.ts";
import { type CatalogService, policyOf, readCatalogOf } from "./catalog.ts";
import { commitChange, type Outcome } from "./change.ts";
import type { Store } from "./etcd.ts";
import { requireService } from "./lookup.ts";
import { policyChanges } from "./policy-text.ts";
import type { Write } from "./registration.ts";

export interface PolicyWrite extends Write {
  /** What the history calls it. */
  readonly action: string;
}

/**
 * Puts another policy in the place of a service's policy.
 * @param change makes it from the one in force
 * @throws a usage error when the new policy is not valid
 */
export async function changePolicy(
  store: Store,
  service: string,
  change: (before: Policy, found: CatalogService) => Policy,
  write: PolicyWrite,
): Promise<Outcome> {
  const catalog = await readCatalogOf(store, service);
  const found = requireService(catalog, service);
  const before = policyOf(found);
  const policy = change(before, found);
  const error = checkPolicy(policy);
  if (error !== undefined) throw usageError(error);
  if (samePolicy(policy, before)) return { service, changes: [], revision: undefined };
  const changes = policyChanges(before, policy);
  if (write.dryRun) return { service, changes, revision: undefined };
  const key = store.keys.policy(service);
  const revision = await commitChange(
    store,
    service,
    catalog.revision,
    { at: Date.now(), by: write.by, action: write.action, detail: changes.join("; "), reason: write.reason },
    [{ key, modRevision: catalog.revisionOf(key) }],
    [{ put: key, value: JSON.stringify(policy) }],
  );
  return { service, changes, revision };
}

/** Values by path: `algorithm`, `timeouts.perTryMs`; undefined takes a field away. A group's value changes the keys that it has. */
export type PolicyFields = ReadonlyMap<string, unknown>;

/** A policy with some of its fields changed. The others stay, but a hash key goes when its algorithm does. */
export function withFields(policy: Policy, fields: PolicyFields): Policy {
  const result: Record<string, unknown> = structuredClone(policy as object) as Record<string, unknown>;
  for (const [path, value] of fields) {
    const [first, second] = path.split(".") as [string, string?];
    if (second !== undefined) setIn(result, first, { [second]: value });
    else if (typeof value === "object") setIn(result, first, value as Record<string, unknown>);
    else result[first] = value;
    if (result[first] === undefined) delete result[first];
  }
  // A hash key belongs to its algorithm: an algorithm without one would still hash in manual mode and in fallback.
  const hashes = result["algorithm"] === "consistent-hash";
  if (policy.algorithm === "consistent-hash" && !hashes && !fields.has("hashOn")) delete result["hashOn"];
  return result as unknown as Policy;
}

/** Changes some keys of a group; a group of which nothing is left goes. */
function setIn(policy: Record<string, unknown>, group: string, values: Record<string, unknown>): void {
  const merged = { ...(policy[group] as object | undefined), ...values };
  const left = Object.entries(merged).filter(([, value]) => value !== undefined);
  policy[group] = left.length === 0 ? undefined : Object.fromEntries(left);
}

export function samePolicy(a: Policy, b: Policy): boolean {
  return isDeepStrictEqual(a, b);
}
