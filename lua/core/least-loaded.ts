import { type AliasTable, drawAlias } from "./alias-table.ts";
import { fadedLatency } from "./latency.ts";
import { type Load, type PickRequest, wasTried } from "./pick-request.ts";
import type { Plan } from "./plan.ts";

/** Up to so many peers all are looked at; beyond, so many are drawn by weight and the best of them is taken. */
export const SCAN_LIMIT = 32;
const DRAWS = 5;

/** Costs within this factor of the least are a tie, which a draw by weight decides: equal peers get equal traffic. */
const TIE_BAND = 1.15;

/** Differences below this are noise of the clock and of the machine. */
const LEAST_LATENCY_MS = 5;

/**
 * The peer that a draw by weight names, unless another's cost is clearly less. The cost is the requests in flight, this
 * one included, in relation to the weight, for `adaptive` times latency.
 *
 * By cost alone an idle service would send everything to its heaviest peer; so a peer also keeps what is drawn for it
 * when, its weight apart, the request waits there hardly longer than at an idle peer as fast as the one of the least
 * cost. Thus weights hold when little is under way, whatever the noise of the latencies, and under load requests in
 * flight are kept in proportion to them.
 *
 * Looking at every peer costs little for few of them, and balances far better than two choices: a router worker knows
 * only its own requests, so that what it knows of two random peers says little.
 * @returns an index, -1 when every peer was tried
 */
export function pickLeastLoaded(plan: Plan, request: PickRequest): number {
  return plan.ids.length <= SCAN_LIMIT ? bestOfAll(plan, request) : bestOfDraws(plan, request);
}

function bestOfAll(plan: Plan, request: PickRequest): number {
  const { costs, weights } = plan;
  const { loads, nowMs } = request;
  const adaptive = plan.algorithm === "adaptive";
  const count = weights.length;
  let floorMs = LEAST_LATENCY_MS;
  if (adaptive) {
    let fastestMs = 0;
    for (let peer = 0; peer < count; peer++) fastestMs = faster(fastestMs, loads[peer]);
    if (fastestMs > floorMs) floorMs = fastestMs;
  }
  let least = -1;
  let latencyOfLeast = 0;
  for (let peer = 0; peer < count; peer++) {
    let cost = -1;
    if (request.triedCount === 0 || !wasTried(peer, request)) {
      const load = loads[peer];
      const latencyMs = adaptive ? latencyOf(load, floorMs, nowMs) : floorMs;
      cost = costOf(latencyMs, load, weights[peer]!);
      if (least < 0 || cost < least) {
        least = cost;
        latencyOfLeast = latencyMs;
      }
    }
    costs[peer] = cost;
  }
  const drawn = drawAlias(plan.aliasTable!, request.random);
  if (keeps(costs[drawn]!, weights[drawn]!, least, latencyOfLeast)) return drawn;

  const limit = least * TIE_BAND;
  let tied = 0;
  for (let peer = 0; peer < count; peer++) {
    const cost = costs[peer]!;
    if (cost >= 0 && cost <= limit) tied += weights[peer]!;
  }
  let rest = nextRandom(request.random) * tied;
  let last = -1;
  for (let peer = 0; peer < count; peer++) {
    const cost = costs[peer]!;
    if (cost >= 0 && cost <= limit) {
      last = peer;
      rest -= weights[peer]!;
      if (rest < 0) return peer;
    }
  }
  return last;
}

/** The same among a few peers. They are drawn again for every pass over them, which costs less than a list of them. */
function bestOfDraws(plan: Plan, request: PickRequest): number {
  const { costs, weights } = plan;
  const { loads, nowMs, random } = request;
  const table: AliasTable = plan.aliasTable!;
  const adaptive = plan.algorithm === "adaptive";
  let floorMs = LEAST_LATENCY_MS;
  if (adaptive) {
    let fastestMs = 0;
    let at = random;
    for (let draw = 0; draw < DRAWS; draw++) {
      fastestMs = faster(fastestMs, loads[drawAlias(table, at)]);
      at = nextRandom(at);
    }
    if (fastestMs > floorMs) floorMs = fastestMs;
  }
  let least = -1;
  let latencyOfLeast = 0;
  let at = random;
  for (let draw = 0; draw < DRAWS; draw++) {
    const peer = drawAlias(table, at);
    let cost = -1;
    if (!wasTried(peer, request)) {
      const load = loads[peer];
      const latencyMs = adaptive ? latencyOf(load, floorMs, nowMs) : floorMs;
      cost = costOf(latencyMs, load, weights[peer]!);
      if (least < 0 || cost < least) {
        least = cost;
        latencyOfLeast = latencyMs;
      }
    }
    costs[draw] = cost;
    at = nextRandom(at);
  }
  const first = drawAlias(table, random);
  if (keeps(costs[0]!, weights[first]!, least, latencyOfLeast)) return first;
  at = random;
  for (let draw = 0; draw < DRAWS; draw++) {
    const cost = costs[draw]!;
    if (cost >= 0 && cost <= least * TIE_BAND) return drawAlias(table, at);
    at = nextRandom(at);
  }
  for (let peer = 0; peer < plan.ids.length; peer++) {
    if (!wasTried(peer, request)) return peer;
  }
  return -1;
}

/** The lesser of two latencies as last measured; 0: not measured. */
function faster(latencyMs: number, load: Load | undefined): number {
  if (load === undefined || !(load.latencyMs > 0)) return latencyMs;
  return latencyMs === 0 || load.latencyMs < latencyMs ? load.latencyMs : latencyMs;
}

/**
 * A latency fades to that of the fastest peer and no further: else a peer that is left alone, or that keeps its requests
 * waiting, would come to look better than all others, and be given as many requests as they are slower than the clock's
 * noise before its first answer says otherwise.
 */
function latencyOf(load: Load | undefined, floorMs: number, nowMs: number): number {
  if (load === undefined) return floorMs;
  const latencyMs = fadedLatency(load.latencyMs, load.measuredAtMs, nowMs);
  return latencyMs > floorMs ? latencyMs : floorMs;
}

function costOf(latencyMs: number, load: Load | undefined, weight: number): number {
  return (latencyMs * ((load === undefined ? 0 : load.inFlight) + 1)) / weight;
}

/** Whether a peer that was drawn by weight takes the request; `cost` is negative when it was tried. */
function keeps(cost: number, weight: number, least: number, latencyOfLeast: number): boolean {
  return cost >= 0 && (cost <= least * TIE_BAND || cost * weight <= latencyOfLeast * TIE_BAND);
}

/** The next number of a multiplicative sequence: one random number serves a whole pick, alike in both runtimes. */
export function nextRandom(random: number): number {
  const next = random * 9301.7 + 0.6180339887498949;
  return next - Math.floor(next);
}
