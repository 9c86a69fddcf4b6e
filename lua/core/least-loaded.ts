import { drawAlias } from "./alias-table.ts";
import { fadedLatency } from "./latency.ts";
import { type Load, type PickRequest, wasTried } from "./pick-request.ts";
import type { Plan } from "./plan.ts";

/** Up to so many peers all are looked at; beyond, so many are drawn by weight and the best of them is taken. */
const SCAN_LIMIT = 32;
const DRAWS = 5;

/** Costs within this factor of the least are a tie, which a draw by weight decides: equal peers get equal traffic. */
const TIE_BAND = 1.15;

/** Differences below this are noise of the clock and of the machine. */
const LEAST_LATENCY_MS = 5;

/**
 * The peer of the least cost: requests in flight in relation to the weight, for `adaptive` times latency.
 *
 * Looking at every peer costs little for few of them, and balances far better than two choices: a router worker knows
 * only its own requests, so that what it knows of two random peers says little.
 * @returns an index, -1 when every peer was tried
 */
export function pickLeastLoaded(plan: Plan, request: PickRequest): number {
  return plan.ids.length <= SCAN_LIMIT ? scanAll(plan, request) : bestOfDraws(plan, request);
}

/**
 * Without anything in flight the cost does not depend on the weight, and the tie gives every peer its share; under load
 * requests in flight are kept in proportion to the weights.
 */
function costOf(plan: Plan, peer: number, load: Load, nowMs: number): number {
  const relativeLoad = 1 + (load.inFlight * plan.totalWeight) / (plan.weights[peer]! * plan.ids.length);
  if (plan.algorithm === "least-request") return relativeLoad;
  return relativeLoad * Math.max(LEAST_LATENCY_MS, fadedLatency(load.latencyMs, load.measuredAtMs, nowMs));
}

function scanAll(plan: Plan, request: PickRequest): number {
  const { costs, weights } = plan;
  const count = weights.length;
  let least = -1;
  for (let peer = 0; peer < count; peer++) {
    const load = request.loads[peer];
    let cost = -1;
    if (request.triedCount === 0 || !wasTried(peer, request)) {
      cost = load === undefined ? 1 : costOf(plan, peer, load, request.nowMs);
      if (least < 0 || cost < least) least = cost;
    }
    costs[peer] = cost;
  }
  const limit = least * TIE_BAND;
  let tied = 0;
  for (let peer = 0; peer < count; peer++) {
    const cost = costs[peer]!;
    if (cost >= 0 && cost <= limit) tied += weights[peer]!;
  }
  let rest = request.random * tied;
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

function bestOfDraws(plan: Plan, request: PickRequest): number {
  let random = request.random;
  let best = -1;
  let least = 0;
  for (let draw = 0; draw < DRAWS; draw++) {
    const peer = drawAlias(plan.aliasTable!, random);
    if (!wasTried(peer, request)) {
      const load = request.loads[peer];
      const cost = load === undefined ? 1 : costOf(plan, peer, load, request.nowMs);
      // Draws are by weight: of equal ones the first stays.
      if (best < 0 || cost * TIE_BAND < least) {
        best = peer;
        least = cost;
      }
    }
    random = nextRandom(random);
  }
  if (best >= 0) return best;
  for (let peer = 0; peer < plan.ids.length; peer++) {
    if (!wasTried(peer, request)) return peer;
  }
  return -1;
}

/** The next number of a multiplicative sequence: one random number serves a whole pick, alike in both runtimes. */
export function nextRandom(random: number): number {
  const next = random * 9301.7 + 0.6180339887498949;
  return next - Math.floor(next);
}
