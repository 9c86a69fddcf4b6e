import { pickPeer } from "../core/pick.ts";
import type { Load, PickRequest } from "../core/pick-request.ts";
import { endProbe } from "./health.ts";
import type { PeerLoad } from "./loads.ts";
import { choosePool } from "./pools.ts";
import { claimDueProbe } from "./probes.ts";
import type { RoutedRequest } from "./request.ts";
import { readKeyHash } from "./request-variable.ts";
import { pinnedPeer } from "./sticky.ts";
import { noteStream } from "./streams.ts";
import { currentTable, type RouteTable } from "./tables.ts";

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

/** Finds out what of a request its table's policy goes by: the user, the subset, whether it is a stream. */
export function readRequest(request: RoutedRequest): void {
  const { table } = request;
  if (table.hashVariable !== "") request.keyHash = readKeyHash(table.hashVariable);
  if (table.ruleVariables.length > 0) choosePool(request);
  if (table.timeouts.areOwn || table.ejected.length > 0) noteStream(request);
}

/**
 * The peer for a request's first attempt: that of its session, an ejected one that is due to be tried, or the one that is
 * picked; undefined when there is none. After `readRequest`.
 */
export function chooseFirst(request: RoutedRequest, now: number): PeerLoad | undefined {
  const { table } = request;
  const pinned = table.stickyVariable === "" ? undefined : pinnedPeer(request);
  if (pinned !== undefined) return pinned;
  const due = table.ejected.length > 0 && request.pointer !== 0 ? claimDueProbe(request, now) : undefined;
  return due ?? chooseNext(request, now);
}

/** The peer for a further attempt: one that was not tried; undefined when there is none. */
export function chooseNext(request: RoutedRequest, now: number): PeerLoad | undefined {
  const { pool } = request;
  pick.keyHash = request.keyHash;
  pick.random = math.random();
  pick.tried = request.tried;
  pick.triedCount = request.triedCount;
  pick.loads = pool.loads;
  pick.totalInFlight = request.table.serviceLoad.poolInFlight[request.poolIndex]!;
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

/**
 * Goes on by the table of now: while a body was read, or an attempt was under way, instances may have come and gone. What
 * was tried stays tried.
 */
export function followTable(request: RoutedRequest): void {
  const current = currentTable(request.table.service);
  if (current === undefined || current === request.table) return;
  const { ids } = request.pool.plan;
  const { chosen, isPinned, triedCount } = request;
  request.table = current;
  request.pool = current.pools[0]!;
  request.poolIndex = 0;
  request.rule = 0;
  request.chosen = undefined;
  request.isPinned = false;
  request.triedCount = 0;
  if (request.attempts === 0) {
    // (A cookie that came with the request says again where it goes.)
    if (chosen !== undefined && !isPinned) keepChosen(request, chosen);
    return;
  }
  readRequest(request);
  for (let i = 0; i < triedCount; i++) {
    const place = request.pool.plan.ids.indexOf(ids[request.tried[i]!]!);
    if (place >= 0) {
      request.tried[request.triedCount] = place;
      request.triedCount++;
    }
  }
}

/** A new session's cookie names the instance already: it stays there, if that still takes requests. */
function keepChosen(request: RoutedRequest, chosen: PeerLoad): void {
  readRequest(request);
  const peer = request.pool.indices.get(chosen.id);
  if (peer !== undefined) {
    request.tried[0] = peer;
    request.triedCount = 1;
    request.chosen = chosen;
  } else if (request.probe !== 0 && isEjected(chosen, request.table)) {
    request.chosen = chosen;
    return;
  }
  // What was to be tried is released by now, or gone.
  if (request.probe !== 0) endProbe(chosen, request.probe);
  request.probe = 0;
}

function isEjected(load: PeerLoad, { ejected }: RouteTable): boolean {
  for (const peer of ejected) if (peer.load === load) return true;
  return false;
}
