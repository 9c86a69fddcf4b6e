import * as ffi from "ffi";
import * as base from "resty.core.base";
import { MAX_ATTEMPTS } from "../core/policy.ts";
import { nowMs } from "./freshness.ts";
import { endProbe } from "./health.ts";
import type { PeerLoad } from "./loads.ts";
import type { Pool, RouteTable } from "./tables.ts";

/** What the phases of one request hand on to each other. Used again by later requests, so that none allocates its own. */
export interface RoutedRequest {
  /** Where nginx keeps the request; 0 for a subrequest, which counts nothing. */
  pointer: number;
  table: RouteTable;
  /** The peers that it may go to; known from the first attempt on. */
  pool: Pool;
  /** Of the pool among its table's. */
  poolIndex: number;
  /** The number of the rule that has chosen the pool, from 1; 0: none. */
  rule: number;
  startedAtMs: number;
  attemptAtMs: number;
  /** The hash of the user's name; read once, on the first attempt. */
  keyHash: number;
  /** Known only where the policy has timeouts of its own, or a peer is ejected. */
  isStream: boolean;
  /** The peer of the first attempt, where it was chosen before the balancer phase. */
  chosen: PeerLoad | undefined;
  /** Where the attempt under way goes; undefined before the first, and between two. */
  load: PeerLoad | undefined;
  /** What the attempt's claim to try an ejected peer is known by; 0 when it tries none. */
  probe: number;
  /** Whether the attempt under way goes where the session's cookie says. */
  isPinned: boolean;
  /** The number of the last attempt's decision in the flight recorder; 0 when it has ended. */
  decision: number;
  /** That of the first attempt, by which all of them are known. */
  firstDecision: number;
  /** The peers of the pool that were tried; the last one may be forgiven once, when it was only the connection that was stale. */
  readonly tried: number[];
  triedCount: number;
  attempts: number;
  forgiven: boolean;
}

/**
 * Records are found by the address of nginx's request, since ngx.ctx is lost on internal redirects (X-Accel-Redirect,
 * error_page), and with it what the request has under way. Every record ends in the log phase, before nginx uses the
 * address again.
 */
const records = new LuaMap<number, RoutedRequest>();
const spare: RoutedRequest[] = [];
let spareCount = 0;
let underWay = 0;

/** How many requests this worker has in flight. */
export function requestsUnderWay(): number {
  return underWay;
}

/** Begins the record of the request that nginx is handling, which goes by `table`. */
export function beginRequest(table: RouteTable): RoutedRequest {
  let request: RoutedRequest;
  if (spareCount > 0) {
    spareCount--;
    request = spare[spareCount]!;
    request.table = table;
  } else {
    request = newRecord(table);
  }
  const pointer = currentPointer();
  request.pointer = pointer;
  records.set(pointer, request);
  underWay++;
  return restart(request);
}

/**
 * The record of a subrequest (auth_request, mirror, SSI): nginx skips its access and log phases, so it has one that counts
 * nothing and needs no end.
 */
export function subrequestRecord(find: () => RouteTable | undefined): RoutedRequest | undefined {
  const context = ngx.ctx as { routectl?: RoutedRequest };
  if (context.routectl === undefined) {
    const table = find();
    if (table === undefined) return undefined;
    context.routectl = restart(newRecord(table));
  }
  return context.routectl;
}

function newRecord(table: RouteTable): RoutedRequest {
  const tried: number[] = [];
  for (let i = 0; i <= MAX_ATTEMPTS; i++) tried[i] = -1;
  return {
    pointer: 0,
    table,
    pool: table.pools[0]!,
    poolIndex: 0,
    rule: 0,
    startedAtMs: 0,
    attemptAtMs: 0,
    keyHash: 0,
    isStream: false,
    chosen: undefined,
    load: undefined,
    probe: 0,
    isPinned: false,
    decision: 0,
    firstDecision: 0,
    tried,
    triedCount: 0,
    attempts: 0,
    forgiven: false,
  };
}

function restart(request: RoutedRequest): RoutedRequest {
  request.pool = request.table.pools[0]!;
  request.poolIndex = 0;
  request.rule = 0;
  request.startedAtMs = nowMs();
  request.isStream = false;
  request.chosen = undefined;
  request.load = undefined;
  request.probe = 0;
  request.isPinned = false;
  request.decision = 0;
  request.firstDecision = 0;
  request.triedCount = 0;
  request.attempts = 0;
  request.forgiven = false;
  return request;
}

/** The record of the request that nginx is handling; undefined when it is none of ours. */
export function routedRequest(): RoutedRequest | undefined {
  return records.get(currentPointer());
}

/** Ends the record. It must not be used after this. */
export function endRequest(request: RoutedRequest): void {
  // It was to try a peer, and was refused (by nginx's authentication, say) before it did.
  if (request.probe !== 0 && request.chosen !== undefined) endProbe(request.chosen, request.probe);
  request.probe = 0;
  records.delete(request.pointer);
  spare[spareCount] = request;
  spareCount++;
  underWay--;
}

function currentPointer(): number {
  return tonumber(ffi.cast("uintptr_t", base.get_request()!))!;
}
