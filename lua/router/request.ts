import { MAX_ATTEMPTS } from "../core/policy.ts";
import { nowMs } from "./freshness.ts";
import type { PeerLoad } from "./loads.ts";
import type { RouteTable } from "./tables.ts";

/** What the phases of one request hand on to each other. Used again by later requests, so that none allocates its own. */
export interface RoutedRequest {
  /** Its number among the records, as nginx's variable holds it; empty for a subrequest's. */
  readonly slot: string;
  table: RouteTable;
  startedAtMs: number;
  attemptAtMs: number;
  /** The hash of the user's name; read once, on the first attempt. */
  keyHash: number;
  /** Where the attempt under way goes; undefined before the first, and between two. */
  load: PeerLoad | undefined;
  /** The peers that were tried; the last one may be forgiven once, when it was only the connection that was stale. */
  readonly tried: number[];
  triedCount: number;
  attempts: number;
  forgiven: boolean;
}

/**
 * Records are found through an nginx variable, because ngx.ctx is lost on internal redirects (X-Accel-Redirect,
 * error_page), and with it what the request has under way.
 */
const VARIABLE = "routectl_request";

const records = new LuaMap<string, RoutedRequest>();
const spare: RoutedRequest[] = [];
let spareCount = 0;
let created = 0;

/** Begins the record of a request that goes by `table`. */
export function beginRequest(table: RouteTable): RoutedRequest {
  let request: RoutedRequest;
  if (spareCount > 0) {
    spareCount--;
    request = spare[spareCount]!;
    request.table = table;
  } else {
    created++;
    request = newRecord(`${created}`, table);
  }
  records.set(request.slot, request);
  ngx.var[VARIABLE] = request.slot;
  return restart(request);
}

/**
 * The record of a subrequest (auth_request, mirror, SSI): nginx shares its parent's variables with it, and skips its access
 * and log phases, so it has one of its own that counts nothing.
 */
export function subrequestRecord(find: () => RouteTable | undefined): RoutedRequest | undefined {
  const context = ngx.ctx as { routectl?: RoutedRequest };
  if (context.routectl === undefined) {
    const table = find();
    if (table === undefined) return undefined;
    context.routectl = restart(newRecord("", table));
  }
  return context.routectl;
}

function newRecord(slot: string, table: RouteTable): RoutedRequest {
  const tried: number[] = [];
  for (let i = 0; i <= MAX_ATTEMPTS; i++) tried[i] = -1;
  return {
    slot,
    table,
    startedAtMs: 0,
    attemptAtMs: 0,
    keyHash: 0,
    load: undefined,
    tried,
    triedCount: 0,
    attempts: 0,
    forgiven: false,
  };
}

function restart(request: RoutedRequest): RoutedRequest {
  request.startedAtMs = nowMs();
  request.load = undefined;
  request.triedCount = 0;
  request.attempts = 0;
  request.forgiven = false;
  return request;
}

/** The record of the request that nginx is handling; undefined before its first attempt. */
export function routedRequest(): RoutedRequest | undefined {
  const slot = ngx.var[VARIABLE];
  return slot === undefined || slot === "" ? undefined : records.get(slot);
}

/** Ends the record. It must not be used after this; the variable may still name it, but it is not found any more. */
export function endRequest(request: RoutedRequest): void {
  records.delete(request.slot);
  spare[spareCount] = request;
  spareCount++;
}
