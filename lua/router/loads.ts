import { MAX_RULES } from "../core/rule-check.ts";
import type { ServiceList } from "../core/types.ts";

/**
 * What this worker has under way at a peer and has seen of it, by service and instance id, so that it outlives a change of
 * the list. It has sixteen fields: one more, and each of its tables would be twice as large.
 */
export interface PeerLoad {
  readonly id: string;
  /** What its keys in shared memory end with; see health.ts. */
  place: string;
  /** The address as nginx wants it. */
  host: string;
  port: number;
  inFlight: number;
  /** Peak EWMA; 0 until the first answer. */
  latencyMs: number;
  measuredAtMs: number;
  /** The last answer that was as it should be; earlier by a part for every connection that was taken for stale since then. */
  answeredAtMs: number;
  /** Failures since the last success. */
  consecutiveFailures: number;
  /** Requests of any worker to which there was no answer at all, as of the last one of this worker; 0 after a success. */
  unanswered: number;
  /** Answers and failures, of which a part is forgotten every second. */
  answers: number;
  failures: number;
  /** Whether it is among the peers that take requests; one that comes back starts anew. */
  routed: boolean;
  /** Since the last flush into the shared counters. */
  selections: number;
  /** `inFlight` as the others know it. */
  inFlightTold: number;
  /** Attempts that ended, by status code, since the last flush. */
  readonly responses: LuaMap<number, number>;
}

export interface ServiceLoad {
  readonly service: string;
  inFlight: number;
  /** The same by the index of the pool that the requests go by. */
  readonly poolInFlight: number[];
  readonly peers: LuaMap<string, PeerLoad>;
  /** Response times since the last flush: one count a bucket, and their sum in seconds. */
  readonly buckets: number[];
  durationSum: number;
  /** Requests and retries, of which a part is forgotten every second: what the retry budget goes by. */
  requests: number;
  retries: number;
  /** Counted since the last flush, by name: see counters.ts. */
  readonly events: LuaMap<string, number>;
  /** Whether anything was counted since the last flush. */
  dirty: boolean;
  /** Whether the service is gone: let go of with the next flush after which nothing is under way. */
  gone: boolean;
}

const services = new LuaMap<string, ServiceLoad>();

export function serviceLoad(service: string): ServiceLoad {
  const known = services.get(service);
  if (known !== undefined) {
    known.gone = false;
    return known;
  }
  const created: ServiceLoad = {
    service,
    inFlight: 0,
    poolInFlight: noneInFlight(),
    peers: new LuaMap(),
    buckets: [],
    durationSum: 0,
    requests: 0,
    retries: 0,
    events: new LuaMap(),
    dirty: false,
    gone: false,
  };
  services.set(service, created);
  return created;
}

export function peerLoad(service: string, id: string): PeerLoad {
  const { peers } = serviceLoad(service);
  const known = peers.get(id);
  if (known !== undefined) return known;
  const created: PeerLoad = {
    id,
    place: "",
    host: "",
    port: 0,
    inFlight: 0,
    latencyMs: 0,
    measuredAtMs: 0,
    answeredAtMs: 0,
    consecutiveFailures: 0,
    unanswered: 0,
    answers: 0,
    failures: 0,
    routed: false,
    selections: 0,
    inFlightTold: 0,
    responses: new LuaMap(),
  };
  peers.set(id, created);
  return created;
}

/** Forgets what was seen of a peer before it was left out. */
export function startAnew(load: PeerLoad): void {
  load.latencyMs = 0;
  load.measuredAtMs = 0;
  forgetFailures(load);
}

export function forgetFailures(load: PeerLoad): void {
  load.consecutiveFailures = 0;
  load.unanswered = 0;
  load.answers = 0;
  load.failures = 0;
}

/** Lets go of peers that are not on the list any more and have nothing under way. */
export function forgetGonePeers(load: ServiceLoad, list: ServiceList): void {
  const listed = new LuaSet<string>();
  for (const peer of list.instances) listed.add(peer.id);
  for (const [id, peer] of load.peers) {
    if (peer.inFlight === 0 && peer.inFlightTold === 0 && !listed.has(id)) load.peers.delete(id);
  }
}

/** A service is gone: what is counted of it is flushed once more. */
export function forgetService(service: string): void {
  const load = services.get(service);
  if (load === undefined) return;
  load.gone = true;
  load.dirty = true;
}

/** Lets go of a service that is gone, when nothing of it is under way any more. */
export function letGo(load: ServiceLoad): void {
  if (load.gone && load.inFlight === 0) services.delete(load.service);
}

/** One entry for each pool that there can be: the rest's, and one a rule. */
function noneInFlight(): number[] {
  const counts: number[] = [];
  for (let pool = 0; pool <= MAX_RULES; pool++) counts[pool] = 0;
  return counts;
}

export function allServiceLoads(): LuaMap<string, ServiceLoad> {
  return services;
}

/** Something that a metric counts for a whole service has happened. */
export function countEvent(load: ServiceLoad, event: string): void {
  load.events.set(event, (load.events.get(event) ?? 0) + 1);
  load.dirty = true;
}
