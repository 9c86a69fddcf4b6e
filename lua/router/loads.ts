import type { ServiceList } from "../core/types.ts";

/** What this worker has under way and has counted, by service and instance id, so that it outlives a change of the list. */
export interface PeerLoad {
  readonly service: string;
  readonly id: string;
  inFlight: number;
  /** Peak EWMA; 0 until the first answer. */
  latencyMs: number;
  measuredAtMs: number;
  /** Since the last flush into the shared counters. */
  selections: number;
  /** Attempts that ended, by status code, since the last flush. */
  readonly responses: LuaMap<number, number>;
}

export interface ServiceLoad {
  readonly service: string;
  inFlight: number;
  readonly peers: LuaMap<string, PeerLoad>;
  /** Response times since the last flush: one count a bucket, and their sum in seconds. */
  readonly buckets: number[];
  durationSum: number;
  /** Whether anything was counted since the last flush. */
  dirty: boolean;
}

const services = new LuaMap<string, ServiceLoad>();

export function serviceLoad(service: string): ServiceLoad {
  const known = services.get(service);
  if (known !== undefined) return known;
  const created: ServiceLoad = {
    service,
    inFlight: 0,
    peers: new LuaMap(),
    buckets: [],
    durationSum: 0,
    dirty: false,
  };
  services.set(service, created);
  return created;
}

export function peerLoad(service: string, id: string): PeerLoad {
  const { peers } = serviceLoad(service);
  const known = peers.get(id);
  if (known !== undefined) return known;
  const created: PeerLoad = {
    service,
    id,
    inFlight: 0,
    latencyMs: 0,
    measuredAtMs: 0,
    selections: 0,
    responses: new LuaMap(),
  };
  peers.set(id, created);
  return created;
}

/** Lets go of peers that are not on the list any more and have nothing under way. */
export function forgetGonePeers(load: ServiceLoad, list: ServiceList): void {
  const listed = new LuaSet<string>();
  for (const peer of list.instances) listed.add(peer.id);
  for (const [id, peer] of load.peers) {
    if (peer.inFlight === 0 && !listed.has(id)) load.peers.delete(id);
  }
}

/** Lets go of a service that is gone, unless something is still under way. */
export function forgetService(service: string): void {
  const load = services.get(service);
  if (load !== undefined && load.inFlight === 0) services.delete(service);
}

export function allServiceLoads(): LuaMap<string, ServiceLoad> {
  return services;
}
