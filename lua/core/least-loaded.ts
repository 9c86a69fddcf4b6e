import { type AliasTable, drawAlias } from "./alias-table.ts";
import { fadedLatency } from "./latency.ts";
import { type Load, type PickRequest, wasTried } from "./pick-request.ts";
import type { Plan } from "./plan.ts";

/** Up to so many peers all are looked at; beyond, so many are drawn by weight and the best of them is taken. */
export const SCAN_LIMIT = 32;
const DRAWS = 5;

/**
 * Costs within this factor of the least are a tie, which a draw by weight decides: equal peers get equal traffic. A wider
 * band wastes under load what a worker knows: see ARCHITECTURE.md.
 */
const TIE_BAND = 1.03;

/** Differences below this are noise of the clock and of the machine. */
const LEAST_LATENCY_MS = 5;

/**
 * The peer that a draw by weight names, unless another's cost is clearly less. The cost is the requests in flight, this
 * one included, in relation to the weight, for `adaptive` times the latency to the power of 1.5: a latency that goes by
 * its peaks makes too much of chance at a fast peer, so that by the latency alone a slow one would get a request whenever
 * a few are under way at each of the others (ARCHITECTURE.md has the figures).
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
  return plan.count <= SCAN_LIMIT ? bestOfAll(plan, request) : bestOfDraws(plan, request);
}

function bestOfAll(plan: Plan, request: PickRequest): number {
  const { costs, count, weights } = plan;
  const { loads, nowMs } = request;
  const adaptive = plan.algorithm === "adaptive";
  const floorMs = adaptive ? floorOf(loads, count) : LEAST_LATENCY_MS;
  let least = Infinity;
  let secondLeast = Infinity;
  for (let peer = 0; peer < count; peer++) {
    const load = loads[peer];
    const latencyMs = adaptive ? latencyOf(load, floorMs, nowMs) : floorMs;
    const cost = request.triedCount > 0 && wasTried(peer, request) ? Infinity : costOf(latencyMs, load, weights[peer]!);
    costs[peer] = cost;
    secondLeast = Math.min(secondLeast, Math.max(least, cost));
    least = Math.min(least, cost);
  }
  const drawn = drawAlias(plan.aliasTable!, request.random);
  const limit = TIE_BAND * least;
  if (costs[drawn]! <= limit) return drawn;
  const best = peerThatCosts(least, plan);
  const latencyOfBest = adaptive ? latencyOf(loads[best], floorMs, nowMs) : floorMs;
  if (costs[drawn]! * weights[drawn]! <= TIE_BAND * slownessOf(latencyOfBest)) return drawn;
  return secondLeast > limit ? best : drawTied(limit, plan, nextRandom(request.random));
}

/** The latency of the fastest peer, as last measured. */
function floorOf(loads: readonly Load[], count: number): number {
  let fastestMs = Infinity;
  for (let peer = 0; peer < count; peer++) fastestMs = faster(fastestMs, loads[peer]);
  return fastestMs < Infinity ? Math.max(LEAST_LATENCY_MS, fastestMs) : LEAST_LATENCY_MS;
}

function peerThatCosts(cost: number, { costs, count }: Plan): number {
  let peer = 0;
  while (peer < count - 1 && costs[peer] !== cost) peer++;
  return peer;
}

/** One of the peers whose cost is within a limit, by weight. */
function drawTied(limit: number, plan: Plan, random: number): number {
  const { costs, count, weights } = plan;
  let tied = 0;
  for (let peer = 0; peer < count; peer++) {
    if (costs[peer]! <= limit) tied += weights[peer]!;
  }
  let rest = random * tied;
  let last = -1;
  for (let peer = 0; peer < count; peer++) {
    if (costs[peer]! <= limit) {
      last = peer;
      rest -= weights[peer]!;
      if (rest < 0) return peer;
    }
  }
  return last;
}

/**
 * The same among five peers drawn by weight. Written out, and with hardly a branch that goes by chance: LuaJIT compiles
 * what follows such a branch for each of its ways anew, so that loops over the five cost more than twice as much.
 */
function bestOfDraws(plan: Plan, request: PickRequest): number {
  if (request.triedCount > 0) return untriedOfDraws(plan, request);
  const { weights } = plan;
  const { loads, nowMs, random } = request;
  const table: AliasTable = plan.aliasTable!;
  const second = nextRandom(random);
  const third = nextRandom(second);
  const fourth = nextRandom(third);
  const fifth = nextRandom(fourth);
  const a = drawAlias(table, random);
  const b = drawAlias(table, second);
  const c = drawAlias(table, third);
  const d = drawAlias(table, fourth);
  const e = drawAlias(table, fifth);
  const ofA = loads[a];
  const ofB = loads[b];
  const ofC = loads[c];
  const ofD = loads[d];
  const ofE = loads[e];
  let floorMs = LEAST_LATENCY_MS;
  const adaptive = plan.algorithm === "adaptive";
  if (adaptive) {
    const fastestMs = faster(faster(faster(faster(faster(Infinity, ofA), ofB), ofC), ofD), ofE);
    if (fastestMs < Infinity) floorMs = Math.max(floorMs, fastestMs);
  }
  const msOfA = adaptive ? latencyOf(ofA, floorMs, nowMs) : floorMs;
  const msOfB = adaptive ? latencyOf(ofB, floorMs, nowMs) : floorMs;
  const msOfC = adaptive ? latencyOf(ofC, floorMs, nowMs) : floorMs;
  const msOfD = adaptive ? latencyOf(ofD, floorMs, nowMs) : floorMs;
  const msOfE = adaptive ? latencyOf(ofE, floorMs, nowMs) : floorMs;
  const costOfA = costOf(msOfA, ofA, weights[a]!);
  const costOfB = costOf(msOfB, ofB, weights[b]!);
  const costOfC = costOf(msOfC, ofC, weights[c]!);
  const costOfD = costOf(msOfD, ofD, weights[d]!);
  const costOfE = costOf(msOfE, ofE, weights[e]!);
  const least = Math.min(Math.min(Math.min(Math.min(costOfA, costOfB), costOfC), costOfD), costOfE);
  const limit = TIE_BAND * least;
  if (costOfA <= limit) return a;
  const msOfBest = least === costOfB ? msOfB : least === costOfC ? msOfC : least === costOfD ? msOfD : msOfE;
  if (costOfA * weights[a]! <= TIE_BAND * slownessOf(msOfBest)) return a;
  if (costOfB <= limit) return b;
  if (costOfC <= limit) return c;
  return costOfD <= limit ? d : e;
}

/** The one of least cost among five draws, for a request that has tried some peers. */
function untriedOfDraws(plan: Plan, request: PickRequest): number {
  const { loads, nowMs } = request;
  const adaptive = plan.algorithm === "adaptive";
  let best = -1;
  let least = Infinity;
  let at = request.random;
  for (let draw = 0; draw < DRAWS; draw++) {
    const peer = drawAlias(plan.aliasTable!, at);
    at = nextRandom(at);
    if (wasTried(peer, request)) continue;
    const load = loads[peer];
    const latencyMs = adaptive ? latencyOf(load, LEAST_LATENCY_MS, nowMs) : LEAST_LATENCY_MS;
    const cost = costOf(latencyMs, load, plan.weights[peer]!);
    if (cost < least) {
      best = peer;
      least = cost;
    }
  }
  for (let peer = 0; best < 0 && peer < plan.count; peer++) {
    if (!wasTried(peer, request)) best = peer;
  }
  return best;
}

/** The lesser of two latencies as last measured; 0: not measured. */
function faster(latencyMs: number, load: Load | undefined): number {
  if (load === undefined || !(load.latencyMs > 0)) return latencyMs;
  return Math.min(latencyMs, load.latencyMs);
}

/**
 * A latency fades to that of the fastest peer and no further: else a peer that is left alone, or that keeps its requests
 * waiting, would come to look better than all others, and be given as many requests as they are slower than the clock's
 * noise before its first answer says otherwise.
 */
function latencyOf(load: Load | undefined, floorMs: number, nowMs: number): number {
  if (load === undefined) return floorMs;
  return Math.max(fadedLatency(load.latencyMs, load.measuredAtMs, nowMs), floorMs);
}

function costOf(latencyMs: number, load: Load | undefined, weight: number): number {
  return (slownessOf(latencyMs) * ((load === undefined ? 0 : load.inFlight) + 1)) / weight;
}

/** What a latency counts as in a cost. */
function slownessOf(latencyMs: number): number {
  return latencyMs * Math.sqrt(latencyMs);
}

/** The next number of a multiplicative sequence: one random number serves a whole pick, alike in both runtimes. */
export function nextRandom(random: number): number {
  const next = random * 9301.7 + 0.6180339887498949;
  return next - Math.floor(next);
}
