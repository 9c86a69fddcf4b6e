import * as balancer from "ngx.balancer";
import type { Load, PickRequest } from "../core/pick-request.ts";
import { pickPeer } from "../core/pick.ts";
import { readKeyHash } from "./hash-key.ts";
import { warn } from "./log-line.ts";
import { type RoutedRequest, routedRequest } from "./request.ts";
import { countAttempt } from "./responses.ts";

/** Filled anew for every pick, so that a pick allocates nothing. */
const pick: { -readonly [Field in keyof PickRequest]: PickRequest[Field] } = {
  keyHash: 0,
  random: 0,
  tried: [],
  triedCount: 0,
  loads: [] as Load[],
  totalInFlight: 0,
};

/** Balancer phase: picks a peer, once for every attempt. Without a pick nginx answers 502 through the placeholder server. */
export function balance(): void {
  const request = routedRequest();
  if (request === undefined) {
    warn("a request reached the balancer without its access phase: include routectl/proxy.conf in its location");
    return;
  }
  const { table } = request;
  if (request.load === undefined) beginAttempts(request);
  else endFailedAttempt(request);

  pick.keyHash = request.keyHash;
  pick.random = math.random();
  pick.tried = request.tried;
  pick.triedCount = request.triedCount;
  pick.loads = table.loads;
  pick.totalInFlight = table.serviceLoad.inFlight;
  const peer = pickPeer(table.plan, pick);
  if (peer < 0) return;

  const [set, error] = balancer.set_current_peer(table.hosts[peer]!, table.ports[peer]!);
  if (!set) {
    warn(`peer ${table.plan.ids[peer]} of ${table.service} was refused by nginx: ${error}`);
    return;
  }
  const load = table.loads[peer]!;
  load.inFlight++;
  load.selections++;
  table.serviceLoad.inFlight++;
  table.serviceLoad.dirty = true;
  request.load = load;
  request.tried[request.triedCount] = peer;
  request.triedCount++;
}

function beginAttempts(request: RoutedRequest): void {
  const { table } = request;
  if (table.hashVariable !== "") request.keyHash = readKeyHash(table.hashVariable);
  const retries = Math.min(table.plan.maxAttempts, table.plan.ids.length) - 1;
  // One more than the retries: nginx counts the placeholder server of the upstream as a try.
  if (retries > 0) balancer.set_more_tries(retries + 1);
}

function endFailedAttempt(request: RoutedRequest): void {
  const [, code] = balancer.get_last_failure();
  countAttempt(request, code ?? 502);
}
