import { drawAlias } from "./alias-table.ts";
import { pickFromRing } from "./hash-ring.ts";
import { nextRandom, pickLeastLoaded } from "./least-loaded.ts";
import { type PickRequest, wasTried } from "./pick-request.ts";
import type { Plan } from "./plan.ts";
import { nextInTurn } from "./round-robin.ts";

/** How often a draw is repeated that hit a peer already tried, before the rest is looked through. */
const REDRAWS = 8;

/**
 * The routing decision: which peer of a plan takes a request.
 * @returns an index into `plan.ids`, -1 when there is no peer that was not tried
 */
export function pickPeer(plan: Plan, request: PickRequest): number {
  if (plan.count <= request.triedCount) return -1;
  if (plan.algorithm === "weighted-random") return drawUntried(plan, request);
  if (plan.algorithm === "round-robin") return nextUntriedInTurn(plan, request);
  if (plan.algorithm === "consistent-hash") return pickFromRing(plan.ring!, plan.weights, plan.totalWeight, request);
  if (plan.algorithm === "adaptive" || plan.algorithm === "least-request") return pickLeastLoaded(plan, request);
  return firstUntried(plan, request);
}

function drawUntried(plan: Plan, request: PickRequest): number {
  let random = request.random;
  let peer = drawAlias(plan.aliasTable!, random);
  if (request.triedCount === 0) return peer;
  for (let i = 0; i < REDRAWS && wasTried(peer, request); i++) {
    random = nextRandom(random);
    peer = drawAlias(plan.aliasTable!, random);
  }
  return wasTried(peer, request) ? firstUntried(plan, request) : peer;
}

function nextUntriedInTurn(plan: Plan, request: PickRequest): number {
  const turns = plan.turns!;
  let peer = nextInTurn(turns);
  for (let i = 0; i < REDRAWS && wasTried(peer, request); i++) peer = nextInTurn(turns);
  return wasTried(peer, request) ? firstUntried(plan, request) : peer;
}

function firstUntried(plan: Plan, request: PickRequest): number {
  for (let peer = 0; peer < plan.count; peer++) {
    if (!wasTried(peer, request)) return peer;
  }
  return -1;
}
