import { pickPeer } from "../core/pick.ts";
import type { Load, PickRequest } from "../core/pick-request.ts";
import type { PeerLoad } from "./loads.ts";
import { choosePool } from "./pools.ts";
import { claimDueProbe } from "./probes.ts";
import type { RoutedRequest } from "./request.ts";
import { readKeyHash } from "./request-variable.ts";
import { pinnedPeer } from "./sticky.ts";
import { noteStream } from "./streams.ts";

/** Filled anew for every pick, so that a pick allocates nothing. */
const pick: { -readonly [Field in keyof PickRequest]: PickRequest[Field] } = {
  keyHash: 0,
  random: 0,
  tried: [],
  triedCount: 0,
  loads: [] as Load[],
  totalInFlight: 0,
  nowMs: 0,
};

/** The peer for a request's first attempt; undefined when there is none. */
export function chooseFirst(request: RoutedRequest, now: number): PeerLoad | undefined {
  const { table } = request;
  if (table.hashVariable !== "") request.keyHash = readKeyHash(table.hashVariable);
  if (table.ruleVariables.length > 0) choosePool(request);
  const hasEjected = table.ejected.length > 0;
  if (table.timeouts.areOwn || hasEjected) noteStream(request);
  if (table.stickyVariable !== "") {
    const pinned = pinnedPeer(request);
    if (pinned !== undefined) return pinned;
  }
  if (hasEjected && request.pointer !== 0) {
    const probed = claimDueProbe(request, now);
    if (probed !== undefined) return probed;
  }
  return chooseNext(request, now);
}

/** The peer for a further attempt: one that was not tried; undefined when there is none. */
export function chooseNext(request: RoutedRequest, now: number): PeerLoad | undefined {
  const { pool } = request;
  pick.keyHash = request.keyHash;
  pick.random = math.random();
  pick.tried = request.tried;
  pick.triedCount = request.triedCount;
  pick.loads = pool.loads;
  pick.totalInFlight = request.table.serviceLoad.inFlight;
  pick.nowMs = now;
  let peer = pickPeer(pool.plan, pick);
  if (peer < 0 && request.forgiven && request.triedCount > 0) {
    // All others were tried: the one whose connection was stale may well be alive.
    peer = request.tried[0]!;
    request.forgiven = false;
  }
  if (peer < 0) return undefined;
  request.tried[request.triedCount] = peer;
  request.triedCount++;
  return pool.loads[peer];
}
