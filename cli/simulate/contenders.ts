import { drawAlias } from "../../lua/core/alias-table.ts";
import { pickPeer } from "../../lua/core/pick.ts";
import { type PickRequest, wasTried } from "../../lua/core/pick-request.ts";
import { ALGORITHMS, type Algorithm } from "../../lua/core/types.ts";
import type { Random } from "./random.ts";
import { expectedMs, inFlightAt, type Server } from "./server.ts";
import type { View } from "./worker.ts";

/** Picks a peer for one worker; there is one that was not tried. @returns an index into the view's plan */
export type Picker = (view: View, request: PickRequest) => number;

/** A way to balance: one of ours, or one to compare it with. */
export interface Contender {
  readonly name: string;
  /** What its plans are prepared for. */
  readonly algorithm: Algorithm;
  /** It needs no failures to know who fails, and nobody is ejected. */
  readonly isOmniscient?: true;
  /** @param servers as they are, which only the oracle may look at */
  createPicker(servers: readonly Server[], random: Random): Picker;
}

/** Ours are what the routers run. Round robin is also what nginx does when nothing is configured. */
const ours = ALGORITHMS.map((algorithm): Contender => {
  const pick: Picker = (view, request) => pickPeer(view.plan, request);
  return { name: algorithm, algorithm, createPicker: () => pick };
});

const others: readonly Contender[] = [
  { name: "least-conn", algorithm: "weighted-random", createPicker: pickLeastConnections },
  { name: "two-choices", algorithm: "weighted-random", createPicker: pickByTwoChoices },
  { name: "oracle", algorithm: "weighted-random", createPicker: pickOmnisciently, isOmniscient: true },
];

export const CONTENDERS = [...ours, ...others];

export function contenderOf(name: string): Contender {
  const found = CONTENDERS.find((contender) => contender.name === name);
  if (found === undefined) throw new Error(`there is no contender ${name}`);
  return found;
}

/** The fewest requests in flight in relation to the weight; those that tie take turns, as with nginx's least_conn. */
function pickLeastConnections(): Picker {
  let last = -1;
  return ({ plan, loads }, request) => {
    const count = loads.length;
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let step = 1; step <= count; step++) {
      const peer = (last + step) % count;
      const cost = loads[peer]!.inFlight / plan.weights[peer]!;
      if (cost < least && !wasTried(peer, request)) {
        least = cost;
        best = peer;
      }
    }
    last = best;
    return best;
  };
}

const REDRAWS = 8;

/** Of two peers drawn by weight the one with fewer requests in flight in relation to it (Mitzenmacher, 2001). */
function pickByTwoChoices(_: readonly Server[], random: Random): Picker {
  const draw = ({ plan, loads }: View, request: PickRequest): number => {
    for (let i = 0; i < REDRAWS; i++) {
      const peer = drawAlias(plan.aliasTable!, random());
      if (!wasTried(peer, request)) return peer;
    }
    return firstUntried(loads.length, request);
  };
  return (view, request) => {
    const [one, other] = [draw(view, request), draw(view, request)];
    const { weights } = view.plan;
    return view.loads[one]!.inFlight * weights[other]! <= view.loads[other]!.inFlight * weights[one]! ? one : other;
  };
}

/**
 * The oracle: it knows each server's speed and state and what is under way there from every router, and takes the least
 * expected response time; among servers that begin at once the emptiest, and among those any.
 */
function pickOmnisciently(servers: readonly Server[], random: Random): Picker {
  return ({ loads }, request) => {
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    let fewest = 0;
    let ties = 0;
    for (let peer = 0; peer < loads.length; peer++) {
      if (wasTried(peer, request)) continue;
      const server = servers[loads[peer]!.server]!;
      const cost = expectedMs(server);
      const inFlight = inFlightAt(server);
      if (cost < least || (cost === least && inFlight < fewest)) {
        best = peer;
        least = cost;
        fewest = inFlight;
        ties = 1;
      } else if (cost === least && inFlight === fewest && random() * ++ties < 1) best = peer;
    }
    return best < 0 ? firstUntried(loads.length, request) : best;
  };
}

function firstUntried(count: number, request: PickRequest): number {
  for (let peer = 0; peer < count; peer++) if (!wasTried(peer, request)) return peer;
  return -1;
}
