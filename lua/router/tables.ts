import { type Plan, preparePlan } from "../core/plan.ts";
import type { ServiceList } from "../core/types.ts";
import { modeOf } from "../core/weights.ts";
import { routes } from "./dicts.ts";
import { listAgeMs, nowMs } from "./freshness.ts";
import { hashVariable } from "./hash-key.ts";
import { forgetGonePeers, forgetService, type PeerLoad, peerLoad, type ServiceLoad, serviceLoad } from "./loads.ts";
import { readList } from "./routes.ts";
import { settings } from "./settings.ts";
import { situationOf } from "./situation.ts";

/** What this worker routes a service by. Built when the list changes; a request only reads it. */
export interface RouteTable {
  readonly service: string;
  readonly version: number;
  readonly versionKey: string;
  readonly listMode: ServiceList["mode"];
  readonly plan: Plan;
  /** The nginx variable that holds the hash key; empty where the policy names none. */
  readonly hashVariable: string;
  /** By peer index of the plan: the address as nginx wants it, the port, and what is under way there. */
  readonly hosts: readonly string[];
  readonly ports: readonly number[];
  readonly loads: readonly PeerLoad[];
  readonly serviceLoad: ServiceLoad;
}

const tables = new LuaMap<string, RouteTable>();

/**
 * The table of a service as of now; undefined when there is no such service.
 * In the common case this costs two reads of a number from shared memory, and allocates nothing.
 */
export function currentTable(service: string): RouteTable | undefined {
  const known = tables.get(service);
  if (known === undefined) return buildTable(service);
  if (routes.get(known.versionKey) !== known.version) return buildTable(service);
  const { plan } = known;
  if (modeOf(known.listMode, listAgeMs(), settings.staleAfterMs) !== plan.mode) return buildTable(service);
  if (plan.validUntilMs !== undefined && nowMs() >= plan.validUntilMs) return buildTable(service);
  return known;
}

/** Brings the tables that this worker has built up to date, so that a service without traffic follows as well. */
export function refreshTables(): void {
  for (const [service] of tables) currentTable(service);
}

/** A peer that is new to this worker starts from the others' median, not from zero, which would look best. */
function startFromMedian(loads: readonly PeerLoad[]): void {
  const known: number[] = [];
  for (const { latencyMs } of loads) if (latencyMs > 0) known[known.length] = latencyMs;
  if (known.length === 0 || known.length === loads.length) return;
  table.sort(known);
  const median = known[Math.floor(known.length / 2)]!;
  for (const load of loads) {
    if (load.latencyMs === 0) {
      load.latencyMs = median;
      load.measuredAtMs = nowMs();
    }
  }
}

function buildTable(service: string): RouteTable | undefined {
  const [list, version] = readList(service);
  if (list === undefined || version === undefined) {
    tables.delete(service);
    forgetService(service);
    return undefined;
  }
  const plan = preparePlan(list, situationOf(list), math.random());
  const hosts: string[] = [];
  const ports: number[] = [];
  const loads: PeerLoad[] = [];
  for (let i = 0; i < plan.places.length; i++) {
    const peer = list.instances[plan.places[i]!]!;
    hosts[i] = peer.address.includes(":") ? `[${peer.address}]` : peer.address;
    ports[i] = peer.port;
    loads[i] = peerLoad(service, peer.id);
  }
  startFromMedian(loads);
  const built: RouteTable = {
    service,
    version,
    versionKey: `version:${service}`,
    listMode: list.mode,
    plan,
    hashVariable: hashVariable(list.policy.hashOn),
    hosts,
    ports,
    loads,
    serviceLoad: serviceLoad(service),
  };
  tables.set(service, built);
  forgetGonePeers(built.serviceLoad, list);
  return built;
}
