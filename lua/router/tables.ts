import { type EjectionSettings, ejectionSettings } from "../core/ejection.ts";
import { SCAN_LIMIT } from "../core/least-loaded.ts";
import { type Plan, type Situation, validUntil } from "../core/plan.ts";
import { DEFAULT_MAX_ATTEMPTS } from "../core/policy.ts";
import { prepareRouting, type Routing } from "../core/routing.ts";
import type { Limit, Mode, Policy, ServiceList, Timeouts } from "../core/types.ts";
import { modeOf, stateOf } from "../core/weights.ts";
import { routes } from "./dicts.ts";
import { listAgeMs, nowMs } from "./freshness.ts";
import { healthKey, healthVersion, placeOf } from "./health.ts";
import {
  forgetGonePeers,
  forgetService,
  type PeerLoad,
  peerLoad,
  type ServiceLoad,
  serviceLoad,
  startAnew,
} from "./loads.ts";
import { variableOf } from "./request-variable.ts";
import { readList } from "./routes.ts";
import { settings } from "./settings.ts";
import { situationOf } from "./situation.ts";

/** Peers that some of a service's requests go to. */
export interface Pool {
  readonly plan: Plan;
  /** By peer index of the plan. */
  readonly loads: readonly PeerLoad[];
  /** Whether a pick looks at the cost of every peer. */
  readonly looksAtAll: boolean;
  /** The index of each peer by its id; only where sessions are pinned. */
  readonly indices: LuaMap<string, number>;
}

/** An ejected peer, and from when on one request at a time tries it. */
export interface EjectedPeer {
  readonly load: PeerLoad;
  /** As far as this worker knows: probes.ts keeps it up to date. */
  untilMs: number;
}

/** What the flight recorder says of a table: it must not keep the whole table alive. */
export interface TableFacts {
  readonly service: string;
  readonly mode: Mode;
  readonly panic: boolean;
}

/** A policy's timeouts in milliseconds, those that it does not name as in nginx/proxy.conf. */
export interface RequestTimeouts {
  readonly connectMs: number;
  readonly perTryMs: number;
  readonly streamIdleMs: number;
  /** Infinity where the policy names none. */
  readonly overallMs: number;
  /** Whether the policy names any. */
  readonly areOwn: boolean;
}

/** The nginx variables that a rule reads; empty where it reads none. */
export interface RuleVariables {
  readonly value: string;
  readonly key: string;
}

/** What this worker routes a service by. Built when its list or its health changes; a request only reads it. */
export interface RouteTable {
  readonly service: string;
  readonly version: number;
  readonly versionKey: string;
  readonly healthVersion: number | undefined;
  readonly healthKey: string;
  readonly listMode: ServiceList["mode"];
  readonly mode: Mode;
  /** From this time on the table is out of date whatever its versions; undefined: never. */
  readonly validUntilMs: number | undefined;
  readonly routing: Routing;
  /** One a plan of the routing. */
  readonly pools: readonly Pool[];
  readonly ruleVariables: readonly RuleVariables[];
  /** Those that are left out. */
  readonly ejected: readonly EjectedPeer[];
  /** What the routing would be if nobody was ejected; only where somebody is left out. */
  readonly unejected: Routing | undefined;
  /** Those that take requests all the same, because too many are ejected: by id. */
  readonly usedThoughEjected: LuaSet<string>;
  /** Whether there are any. */
  readonly usesEjected: boolean;
  /** Whether any pool has a peer. */
  readonly serves: boolean;
  readonly serviceLoad: ServiceLoad;
  /** The policy, with what a request needs of it at hand. */
  readonly policy: Policy;
  readonly maxAttempts: number;
  readonly timeouts: RequestTimeouts;
  readonly ejection: EjectionSettings;
  /** The nginx variable that holds the hash key; empty where the policy names none. */
  readonly hashVariable: string;
  readonly limit: Limit | undefined;
  readonly limitVariable: string;
  /** The nginx variable of the session's cookie; empty where the policy has none, or the router no secret. */
  readonly stickyVariable: string;
  /** By id, the drained peers that still serve their sessions; only where sessions are pinned. */
  readonly drained: LuaMap<string, PeerLoad>;
  readonly facts: TableFacts;
  /** No ejected peer is tried before this. */
  nextProbeMs: number;
  /** For its service's health alone it is not built anew before this, however often that changes. */
  readonly nextHealthBuildMs: number;
  /** The clock when it was last seen to be up to date. */
  checkedAtMs: number;
}

const HOUR_MS = 3_600_000;

/** A table that took longer than the first to build follows ejections in this part of a worker's time at most. */
const QUICK_BUILD_MS = 5;
const HEALTH_SHARE_OF_TIME = 0.1;
const MOST_HEALTH_WAIT_MS = 1000;

const tables = new LuaMap<string, RouteTable>();

/**
 * The table of a service as of now; undefined when there is no such service.
 * In the common case this costs at most three reads of a number from shared memory, and allocates nothing; within one
 * millisecond of nginx's clock it is not asked again.
 */
export function currentTable(service: string): RouteTable | undefined {
  const known = tables.get(service);
  if (known === undefined) return buildTable(service);
  const now = nowMs();
  if (known.checkedAtMs === now) return known;
  if (routes.get(known.versionKey) !== known.version) return buildTable(service);
  if (healthVersion(known.healthKey) !== known.healthVersion) {
    const waitMs = known.nextHealthBuildMs - now;
    // (More than the most: the clock was set back.)
    if (waitMs <= 0 || waitMs > MOST_HEALTH_WAIT_MS) return buildTable(service);
  }
  if (modeOf(known.listMode, listAgeMs(), settings.staleAfterMs) !== known.mode) return buildTable(service);
  if (known.validUntilMs !== undefined && now >= known.validUntilMs) return buildTable(service);
  known.checkedAtMs = now;
  return known;
}

/** Brings the tables that this worker has built up to date, so that a service without traffic follows as well. */
export function refreshTables(): void {
  for (const [service] of tables) currentTable(service);
}

function buildTable(service: string): RouteTable | undefined {
  const started = os.clock();
  const [list, version] = readList(service);
  if (list === undefined || version === undefined) {
    tables.delete(service);
    forgetService(service);
    return undefined;
  }
  const key = healthKey(service);
  // Read before the ejections, so that one that comes in between is not missed.
  const health = healthVersion(key);
  const situation = situationOf(service, list);
  const routing = prepareRouting(list, situation, math.random());
  const { policy } = list;
  const loads: PeerLoad[] = [];
  for (let i = 0; i < list.instances.length; i++) {
    const { id, address, port } = list.instances[i]!;
    const load = peerLoad(service, id);
    const place = placeOf(service, list.instances[i]!);
    if (load.place !== place) {
      if (load.place !== "") startAnew(load);
      load.place = place;
      load.host = address.includes(":") ? `[${address}]` : address;
      load.port = port;
    }
    loads[i] = load;
  }
  const pins = policy.sticky !== undefined && settings.stickySecret !== "";
  const pools: Pool[] = [];
  let serves = false;
  for (const plan of routing.plans) {
    const ofPlan: PeerLoad[] = [];
    const indices = new LuaMap<string, number>();
    for (let i = 0; i < plan.places.length; i++) {
      ofPlan[i] = loads[plan.places[i]!]!;
      if (pins) indices.set(plan.ids[i]!, i);
    }
    const byCost = plan.algorithm === "adaptive" || plan.algorithm === "least-request";
    pools[pools.length] = { plan, loads: ofPlan, looksAtAll: byCost && ofPlan.length <= SCAN_LIMIT, indices };
    if (ofPlan.length > 0) serves = true;
  }
  noteRouted(loads, pools);
  const ejected: EjectedPeer[] = [];
  for (const place of routing.ejected) {
    const load = loads[place]!;
    ejected[ejected.length] = { load, untilMs: situation.ejectedUntilMs![load.id]! };
  }
  const usedThoughEjected = new LuaSet<string>();
  let usesEjected = false;
  for (const id in situation.ejectedUntilMs ?? {}) {
    if (peerLoad(service, id).routed) {
      usedThoughEjected.add(id);
      usesEjected = true;
    }
  }
  const drained = new LuaMap<string, PeerLoad>();
  if (pins) {
    for (let i = 0; i < loads.length; i++) {
      const peer = list.instances[i]!;
      const lives = peer.score > 0 && situation.ejectedUntilMs?.[peer.id] === undefined;
      if (lives && stateOf(peer, peer.weight, false) === "drained") drained.set(peer.id, loads[i]!);
    }
  }
  const hashVariable = variableOf(policy.hashOn);
  const ruleVariables: RuleVariables[] = [];
  for (const { match, percent, hashOn } of policy.rules ?? []) {
    ruleVariables[ruleVariables.length] = {
      value: variableOf(match?.on),
      key: percent === undefined ? "" : variableOf(hashOn ?? policy.hashOn ?? "address"),
    };
  }
  const built: RouteTable = {
    service,
    version,
    versionKey: `version:${service}`,
    healthVersion: health,
    healthKey: key,
    listMode: list.mode,
    mode: situation.mode,
    validUntilMs: validUntil(list, situation),
    routing,
    pools,
    ruleVariables,
    ejected,
    unejected: ejected.length > 0 ? routingOfAll(list, situation) : undefined,
    usedThoughEjected,
    usesEjected,
    serves,
    serviceLoad: serviceLoad(service),
    policy,
    maxAttempts: policy.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
    timeouts: requestTimeouts(policy.timeouts),
    ejection: ejectionSettings(policy.ejection),
    hashVariable,
    limit: policy.limit,
    limitVariable: variableOf(policy.limit?.key),
    stickyVariable: pins ? `cookie_${policy.sticky!.cookie}` : "",
    drained,
    facts: { service, mode: situation.mode, panic: routing.panic },
    nextProbeMs: 0,
    nextHealthBuildMs: situation.nowMs + healthWaitMs((os.clock() - started) * 1000),
    checkedAtMs: situation.nowMs,
  };
  tables.set(service, built);
  forgetGonePeers(built.serviceLoad, list);
  return built;
}

function healthWaitMs(buildMs: number): number {
  return buildMs <= QUICK_BUILD_MS ? 0 : Math.min(MOST_HEALTH_WAIT_MS, buildMs / HEALTH_SHARE_OF_TIME);
}

/** (An entry that is undefined would not replace another in Lua.) */
function routingOfAll(list: ServiceList, { mode, nowMs: now, listAgeMs: ageMs, halfLifeMs }: Situation): Routing {
  return prepareRouting(list, { mode, nowMs: now, listAgeMs: ageMs, halfLifeMs }, 0);
}

function requestTimeouts(timeouts: Timeouts | undefined): RequestTimeouts {
  return {
    connectMs: timeouts?.connectMs ?? 1000,
    perTryMs: timeouts?.perTryMs ?? HOUR_MS,
    streamIdleMs: timeouts?.streamIdleMs ?? HOUR_MS,
    overallMs: timeouts?.overallMs ?? Infinity,
    areOwn: timeouts !== undefined,
  };
}

/** A peer that is new, or that comes back, starts from the others' median: from zero it would look best. */
function noteRouted(all: readonly PeerLoad[], pools: readonly Pool[]): void {
  const routed = new LuaSet<string>();
  for (const { loads } of pools) for (const load of loads) routed.add(load.id);
  for (const load of all) {
    const isRouted = routed.has(load.id);
    if (isRouted && !load.routed) startAnew(load);
    load.routed = isRouted;
  }
  for (const { loads } of pools) startFromMedian(loads);
}

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
