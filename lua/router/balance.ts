import * as balancer from "ngx.balancer";
import { isIdempotent, isWithinBudget } from "../core/retry.ts";
import { chooseFirst, chooseNext, followTable, readRequest } from "./choose.ts";
import { recordDecision } from "./decisions.ts";
import { nowMs } from "./freshness.ts";
import { endProbe } from "./health.ts";
import { lastAttempt } from "./last-attempt.ts";
import { countEvent, type PeerLoad } from "./loads.ts";
import { warn } from "./log-line.ts";
import { beginRequest, type RoutedRequest, routedRequest, subrequestRecord } from "./request.ts";
import { countAttempt, countFailure } from "./responses.ts";
import { currentTable, type RouteTable } from "./tables.ts";
import { wasCutShort } from "./verdict.ts";

/** `keepalive_timeout` in nginx/http.conf, and a second for the clocks. */
const MOST_IDLE_MS = 5000;
const MOST_STALE_IN_A_ROW = 10;

/**
 * Balancer phase: picks a peer, once for every attempt. Without a pick nginx answers 502 through the placeholder server;
 * when the tries that it was given are used up it passes the last error on.
 */
export function balance(): void {
  const request = recordOf();
  if (request === undefined) return;
  const now = nowMs();
  let load: PeerLoad | undefined;
  if (request.attempts === 0) {
    followTable(request);
    request.startedAtMs = now;
    load = beginAttempts(request, now);
  } else {
    const wasProbe = request.probe !== 0;
    endFailedAttempt(request, now);
    if (!mayTryAgain(request, now, wasProbe)) return;
    followTable(request);
    load = chooseNext(request, now);
  }
  if (load === undefined) return;

  const [set, error] = balancer.set_current_peer(load.host, load.port);
  if (!set) {
    warn(`peer ${load.id} of ${request.table.service} was refused by nginx: ${error}`);
    if (request.probe !== 0) endProbe(load, request.probe);
    request.probe = 0;
    return;
  }
  if (request.table.timeouts.areOwn) setTimeouts(request, now);
  request.attempts++;
  request.attemptAtMs = now;
  const { serviceLoad } = request.table;
  if (request.attempts === 1) serviceLoad.requests++;
  if (request.pointer === 0) return;
  load.inFlight++;
  load.selections++;
  serviceLoad.inFlight++;
  serviceLoad.poolInFlight[request.poolIndex]!++;
  serviceLoad.dirty = true;
  request.load = load;
  recordDecision(request, load);
}

/** The request's record. nginx runs no access phase for subrequests, nor after `satisfy any`. */
function recordOf(): RoutedRequest | undefined {
  const known = routedRequest();
  if (known !== undefined) return known;
  if (ngx.is_subrequest) return subrequestRecord(tableOfRequest);
  const table = tableOfRequest();
  return table === undefined ? undefined : beginRequest(table);
}

function tableOfRequest(): RouteTable | undefined {
  const service = ngx.var["routectl_service"];
  return service === undefined || service === "" ? undefined : currentTable(service);
}

/** The peer of the first attempt, and how many there may be. */
function beginAttempts(request: RoutedRequest, now: number): PeerLoad | undefined {
  let load = request.chosen;
  if (load === undefined) {
    readRequest(request);
    load = chooseFirst(request, now);
  }
  allowTries(request);
  return load;
}

/** Exactly as many tries as there are peers for them: after the last one nginx passes on what has gone wrong. */
function allowTries(request: RoutedRequest): void {
  const { pool, table } = request;
  // The first may be none of the pool's: one that is tried, or drained.
  const peers = pool.plan.count + (request.triedCount === 0 ? 1 : 0);
  const tries = peers < table.maxAttempts ? peers : table.maxAttempts;
  if (tries > 1) balancer.set_more_tries(tries);
}

function endFailedAttempt(request: RoutedRequest, now: number): void {
  const [, code] = balancer.get_last_failure();
  // A kept-alive connection that the instance had closed: connected in no time, and nothing received. (A connection that is
  // refused shows no connect time at all.) It says nothing of the instance.
  const isStale =
    !request.forgiven &&
    request.attempts === 1 &&
    code !== 504 &&
    mayBeStale(request.load, now) &&
    lastAttempt("upstream_connect_time") === "0.000" &&
    lastAttempt("upstream_bytes_received") === "0";
  if (isStale) {
    request.forgiven = true;
    if (request.load !== undefined) request.load.answeredAtMs -= MOST_IDLE_MS / MOST_STALE_IN_A_ROW;
    // A user who belongs to this peer stays there; any other request does as well elsewhere.
    if (request.pool.plan.algorithm === "consistent-hash") request.triedCount = 0;
    countAttempt(request, undefined);
  } else if (wasCutShort(code)) {
    countAttempt(request, code);
  } else {
    countFailure(request, code ?? 502, true);
  }
  request.isPinned = false;
}

/**
 * Whether this worker can have a kept-alive connection to a peer: new ones, too, show no connect time on a fast network. A
 * peer that closes one connection after the other without an answer uses that up, and is at fault all the same.
 */
function mayBeStale(load: PeerLoad | undefined, now: number): boolean {
  if (load === undefined) return true;
  return now - load.answeredAtMs <= MOST_IDLE_MS;
}

/**
 * Whether the request may go to another peer, now that an attempt has failed.
 * @param wasProbe whether that attempt tried an ejected peer: it was not for its own sake, so that the budget does not count
 */
function mayTryAgain(request: RoutedRequest, now: number, wasProbe: boolean): boolean {
  const { table } = request;
  // One attempt that met nothing but a stale connection is not held against the request.
  if (request.attempts >= table.maxAttempts + (request.forgiven ? 1 : 0)) return false;
  if (Math.max(0, now - request.startedAtMs) >= table.timeouts.overallMs) return false;
  if (!isIdempotent(ngx.req.get_method()) && table.policy.retries?.nonIdempotent !== true && wasSent()) return false;
  if (wasProbe || (request.forgiven && request.attempts === 1)) return true;
  const { serviceLoad } = table;
  if (!isWithinBudget(serviceLoad, table.policy.retries)) {
    countEvent(serviceLoad, "retries-denied");
    return false;
  }
  serviceLoad.retries++;
  countEvent(serviceLoad, "retries");
  return true;
}

/** Whether any part of the request went out with the last attempt. */
function wasSent(): boolean {
  const bytes = lastAttempt("upstream_bytes_sent");
  return bytes !== undefined && bytes !== "0" && bytes !== "-";
}

/** The policy's timeouts instead of those of nginx's configuration. */
function setTimeouts(request: RoutedRequest, now: number): void {
  const { timeouts } = request.table;
  // (The clock may have been set.)
  const leftMs = Math.max(1, timeouts.overallMs - Math.max(0, now - request.startedAtMs));
  const idleMs = request.isStream ? timeouts.streamIdleMs : Math.min(timeouts.perTryMs, leftMs);
  balancer.set_timeouts(Math.min(timeouts.connectMs, leftMs) / 1000, idleMs / 1000, idleMs / 1000);
}
