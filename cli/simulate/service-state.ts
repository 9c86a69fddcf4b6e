import { buildServiceList, type ScoredInstance } from "../../lua/core/service-list.ts";
import type { Override, Policy, ServiceList } from "../../lua/core/types.ts";
import { RoutectlError } from "../errors.ts";
import { fetchServiceList, ipconfigAt } from "../remote/ipconfig.ts";
import { policyOf, readCatalogOf } from "../store/catalog.ts";
import type { Store } from "../store/etcd.ts";
import { requireInstance, requireService } from "../store/lookup.ts";

/** What a service's list is made of, as etcd and ipconfig have it now. */
export interface ServiceState {
  readonly service: string;
  readonly revision: number;
  readonly policy: Policy;
  readonly candidates: readonly ScoredInstance[];
  /** Whether an ipconfig has told the scores; else all instances count as equally good. */
  readonly hasScores: boolean;
}

/**
 * Reads a service from etcd, and its scores, which etcd does not have, from ipconfig where one answers.
 * @param weights those that are to be tried, by id
 * @throws `unknown-service` and `unknown-instance`, with the nearest name
 */
export async function readServiceState(
  service: string,
  weights: ReadonlyMap<string, number>,
  store: Store,
  ipconfig: string,
): Promise<ServiceState> {
  const catalog = await readCatalogOf(store, service);
  const found = requireService(catalog, service);
  for (const id of weights.keys()) requireInstance(service, found, id);
  const scored = await fetchServiceList(ipconfigAt(ipconfig), service).catch((error: unknown) => {
    if (!(error instanceof RoutectlError)) throw error;
    return undefined;
  });
  const candidates = [...found.instances.values()].map((instance) => {
    const peer = scored?.instances.find(({ id }) => id === instance.id);
    return {
      ...instance,
      score: peer?.score ?? 1,
      chosen: peer === undefined || scored?.mode !== "normal" || peer.weight > 0,
      override: found.overrides.get(instance.id),
    };
  });
  return {
    service,
    revision: catalog.revision,
    policy: policyOf(found),
    candidates,
    hasScores: scored !== undefined,
  };
}

/** The list that a service has, or would have with some manual weights, by the very function that ipconfig uses. */
export function listOf(
  { revision, policy, candidates }: ServiceState,
  weights: ReadonlyMap<string, number>,
  nowMs: number,
): ServiceList {
  const overrideOf = ({ id, override }: ScoredInstance): Override | undefined => {
    const weight = weights.get(id);
    return weight === undefined ? override : { weight, by: "simulate", reason: "", at: nowMs };
  };
  return buildServiceList(
    revision,
    policy,
    candidates.map((candidate) => ({ ...candidate, override: overrideOf(candidate) })),
  );
}
