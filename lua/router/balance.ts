import * as balancer from "ngx.balancer";
import { pickPeer } from "../core/pick.ts";
import type { Load, PickRequest } from "../core/pick-request.ts";
import { nowMs } from "./freshness.ts";
import { readKeyHash } from "./hash-key.ts";
import { lastAttempt } from "./last-attempt.ts";
import { warn } from "./log-line.ts";
import { beginRequest, type RoutedRequest, routedRequest, subrequestRecord } from "./request.ts";
import { countAttempt, countFailedAttempt } from "./responses.ts";
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

/** Balancer phase: picks a peer, once for every attempt. Without a pick nginx answers 502 through the placeholder server. */
export function balance(): void {
  const request = recordOf();
  if (request === undefined) return;
  const { table } = request;
  if (request.attempts === 0) beginAttempts(request);
  else endFailedAttempt(request);
  // One attempt that met nothing but a stale connection is not held against the request either.
  if (request.attempts >= table.plan.maxAttempts + (request.forgiven ? 1 : 0)) return;

  pick.keyHash = request.keyHash;
  pick.random = math.random();
  pick.tried = request.tried;
  pick.triedCount = request.triedCount;
  pick.loads = table.loads;
  pick.totalInFlight = table.serviceLoad.inFlight;
  pick.nowMs = nowMs();
  let peer = pickPeer(table.plan, pick);
  if (peer < 0 && request.forgiven) {
    // All others were tried: the one whose connection was stale may well be alive.
    peer = request.tried[0]!;
    request.forgiven = false;
  }
  if (peer < 0) return;

  const [set, error] = balancer.set_current_peer(table.hosts[peer]!, table.ports[peer]!);
  if (!set) {
    warn(`peer ${table.plan.ids[peer]} of ${table.service} was refused by nginx: ${error}`);
    return;
  }
  request.tried[request.triedCount] = peer;
  request.triedCount++;
  request.attempts++;
  request.attemptAtMs = pick.nowMs;
  if (request.slot === "") return;
  const load = table.loads[peer]!;
  load.inFlight++;
  load.selections++;
  table.serviceLoad.inFlight++;
  table.serviceLoad.dirty = true;
  request.load = load;
}

/** The request's record; begun with its first attempt. nginx runs no access phase for subrequests, nor after `satisfy any`. */
function recordOf(): RoutedRequest | undefined {
  if (ngx.is_subrequest) return subrequestRecord(tableOfRequest);
  const known = routedRequest();
  if (known !== undefined) return known;
  const table = tableOfRequest();
  return table === undefined ? undefined : beginRequest(table);
}

function tableOfRequest(): RouteTable | undefined {
  const service = ngx.var["routectl_service"];
  return service === undefined || service === "" ? undefined : currentTable(service);
}

function beginAttempts(request: RoutedRequest): void {
  const { plan, hashVariable } = request.table;
  if (hashVariable !== "") request.keyHash = readKeyHash(hashVariable);
  // nginx counts the placeholder server of the upstream as a try, and a stale connection may cost one: the attempts are
  // counted here.
  if (plan.maxAttempts > 1) balancer.set_more_tries(plan.maxAttempts + 1);
}

function endFailedAttempt(request: RoutedRequest): void {
  const [, code] = balancer.get_last_failure();
  if (!request.forgiven && request.attempts === 1 && wasStale()) {
    request.forgiven = true;
    // A user who belongs to this peer stays there; any other request does as well elsewhere.
    if (request.table.plan.algorithm === "consistent-hash") request.triedCount = 0;
    countAttempt(request, undefined);
    return;
  }
  countFailedAttempt(request, code ?? 502);
}

/**
 * Whether the attempt before met a kept-alive connection that the instance had closed: connected in no time, and nothing
 * received. (A connection that is refused shows no connect time at all.) It says nothing of the instance.
 */
function wasStale(): boolean {
  return lastAttempt("upstream_connect_time") === "0.000" && lastAttempt("upstream_bytes_received") === "0";
}
