import { usageError } from "../errors.ts";
import type { Change, Cluster } from "./cluster.ts";
import { createRandom, exponential } from "./random.ts";
import type { ServerSetup } from "./server.ts";

/** What a scenario is made for. */
export interface Shape {
  readonly servers: number;
  readonly slots: number;
  /** At a server of ordinary speed. */
  readonly meanMs: number;
  /** What happens, happens after the warm-up. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly seed: number;
}

/** What happens to the servers. */
export interface Scenario {
  readonly name: string;
  readonly description: string;
  create(shape: Shape): Cluster;
}

const WEIGHT = 100;

/** Once a cycle something happens that is over before the next one. */
const CYCLE_MS = 20_000;

const equal: Scenario = {
  name: "equal",
  description: "all servers are alike",
  create: (shape) => ({ servers: alike(shape), changes: [] }),
};

const halfSlow: Scenario = {
  name: "half-slow",
  description: "every second server takes twice as long",
  create: (shape) => ({
    servers: alike(shape).map((server, i) =>
      i % 2 === 0 ? server : { ...server, meanMs: 2 * shape.meanMs, isAffected: true },
    ),
    changes: [],
  }),
};

const SLOWDOWN_EVERY_MS = 40_000;
const SLOWDOWN_MS = 2000;
const SLOWDOWN_FACTOR = 5;

const slowdowns: Scenario = {
  name: "slowdowns",
  description: "each server now and then takes five times as long: on average every 40 s, for 2 s",
  create: (shape) => {
    const random = createRandom(shape.seed);
    const changes: Change[] = [];
    for (let server = 0; server < shape.servers; server++) {
      for (let atMs = exponential(random, SLOWDOWN_EVERY_MS); atMs < shape.durationMs; ) {
        changes.push({ atMs, server, meanMs: SLOWDOWN_FACTOR * shape.meanMs, isAffected: true });
        atMs += exponential(random, SLOWDOWN_MS);
        changes.push({ atMs, server, meanMs: shape.meanMs, isAffected: false });
        atMs += exponential(random, SLOWDOWN_EVERY_MS);
      }
    }
    return { servers: alike(shape), changes: inOrder(changes) };
  },
};

const oneSlow: Scenario = {
  name: "one-slow",
  description: "from the end of the warm-up on one server takes ten times as long",
  create: (shape) => fromWarmUpOn(shape, { meanMs: 10 * shape.meanMs }),
};

const oneFailing: Scenario = {
  name: "one-failing",
  description: "from the end of the warm-up on one server answers every request with an error, at once",
  create: (shape) => fromWarmUpOn(shape, { state: "fails" }),
};

const oneRefusing: Scenario = {
  name: "one-refusing",
  description: "from the end of the warm-up on one server refuses every connection",
  create: (shape) => fromWarmUpOn(shape, { state: "refuses" }),
};

const RESTART_MS = 2000;

const restart: Scenario = {
  name: "restart",
  description:
    "every 20 s a third of the servers is restarted at once, which takes 2 s; what they had under way is lost",
  create: (shape) => {
    const third = Math.ceil(shape.servers / 3);
    const changes: Change[] = [];
    let next = 0;
    for (let atMs = shape.warmUpMs; atMs + CYCLE_MS <= shape.durationMs; atMs += CYCLE_MS) {
      for (let i = 0; i < third; i++) {
        const server = next++ % shape.servers;
        changes.push({ atMs, server, state: "refuses", isAffected: true });
        changes.push({ atMs: atMs + RESTART_MS, server, state: "serves", isAffected: false });
      }
    }
    return { servers: alike(shape), changes: inOrder(changes) };
  },
};

const ADDED_FOR_MS = 10_000;
const NEW_FOR_MS = 1000;

const scaleOut: Scenario = {
  name: "scale-out",
  description: "every 20 s a quarter more servers come, for 10 s; those are counted as affected in their first second",
  create: (shape) => {
    const servers = alike({ ...shape, servers: shape.servers + Math.ceil(shape.servers / 4) });
    const changes: Change[] = [];
    for (let atMs = shape.warmUpMs; atMs + CYCLE_MS <= shape.durationMs; atMs += CYCLE_MS) {
      for (let server = shape.servers; server < servers.length; server++) {
        changes.push({ atMs, server, weight: WEIGHT, isAffected: true });
        changes.push({ atMs: atMs + NEW_FOR_MS, server, isAffected: false });
        changes.push({ atMs: atMs + ADDED_FOR_MS, server, weight: 0 });
      }
    }
    return {
      servers: servers.map((server, i) => (i < shape.servers ? server : { ...server, weight: 0 })),
      changes: inOrder(changes),
    };
  },
};

const SCORE_LAG_MS = 3000;

const lateScores: Scenario = {
  name: "late-scores",
  description: "all servers are alike, and their weights follow scores that are three seconds old",
  create: (shape) => ({ ...equal.create(shape), scoreLagMs: SCORE_LAG_MS }),
};

export const SCENARIOS: readonly Scenario[] = [
  ...[equal, halfSlow, slowdowns, oneSlow],
  ...[oneFailing, oneRefusing, restart, scaleOut, lateScores],
];

export function scenarioOf(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found === undefined) {
    throw usageError(`there is no scenario ${name}: choose among ${SCENARIOS.map((one) => one.name).join(", ")}`);
  }
  return found;
}

function alike({ servers, slots, meanMs }: Shape): ServerSetup[] {
  return Array.from({ length: servers }, () => ({ slots, meanMs, weight: WEIGHT }));
}

function fromWarmUpOn(shape: Shape, change: Partial<Change>): Cluster {
  const { warmUpMs } = shape;
  return {
    servers: alike(shape),
    changes: [{ ...change, atMs: warmUpMs, server: 0, isAffected: true }],
    onsetMs: warmUpMs,
  };
}

function inOrder(changes: Change[]): Change[] {
  return changes.sort((a, b) => a.atMs - b.atMs);
}
