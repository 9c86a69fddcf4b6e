import { MAX_ATTEMPTS } from "../core/policy.ts";
import type { PeerLoad } from "./loads.ts";
import type { RouteTable } from "./tables.ts";

/** What the phases of one request hand on to each other. Used again by later requests, so that none allocates its own. */
export interface RoutedRequest {
  table: RouteTable;
  startedAt: number;
  /** The hash of the user's name; read once, on the first attempt. */
  keyHash: number;
  /** Where the attempt under way goes; undefined before the first. */
  load: PeerLoad | undefined;
  readonly tried: number[];
  triedCount: number;
}

interface RouterContext {
  routectl?: RoutedRequest;
}

const spare: RoutedRequest[] = [];
let spareCount = 0;

/** Begins the record of a request that goes by `table`. */
export function beginRequest(table: RouteTable): RoutedRequest {
  let request: RoutedRequest;
  if (spareCount > 0) {
    spareCount--;
    request = spare[spareCount]!;
    request.table = table;
  } else {
    const tried: number[] = [];
    for (let i = 0; i < MAX_ATTEMPTS; i++) tried[i] = -1;
    request = { table, startedAt: 0, keyHash: 0, load: undefined, tried, triedCount: 0 };
  }
  request.startedAt = ngx.now();
  request.load = undefined;
  request.triedCount = 0;
  (ngx.ctx as RouterContext).routectl = request;
  return request;
}

/** The record of the request that nginx is handling; undefined when it did not pass the access phase of proxy.conf. */
export function routedRequest(): RoutedRequest | undefined {
  return (ngx.ctx as RouterContext).routectl;
}

/** Ends the record. It must not be used after this. */
export function endRequest(request: RoutedRequest): void {
  (ngx.ctx as RouterContext).routectl = undefined;
  spare[spareCount] = request;
  spareCount++;
}
