import type { Peer, ServiceList } from "../../lua/core/types.ts";
import { scoredWeight } from "../../lua/core/weights.ts";
import { Agenda } from "./agenda.ts";
import type { Cluster } from "./cluster.ts";
import type { Contender } from "./contenders.ts";
import { createObservations, type Observations } from "./figures.ts";
import { type ReactionWatch, watchReaction } from "./reaction.ts";
import { createScoreFeed, type ScoreFeed } from "./score-feed.ts";
import { type Attempt, createServer, idOf, type Server } from "./server.ts";

/** The state of a simulation that runs. */
export interface Run {
  readonly contender: Contender;
  readonly servers: readonly Server[];
  /** What is being served, or refused. */
  readonly agenda: Agenda<Attempt>;
  readonly observations: Observations;
  readonly reaction: ReactionWatch | undefined;
  readonly scoreFeed: ScoreFeed | undefined;
  /** By server, 0..1; all 1 where weights do not follow scores. */
  scores: readonly number[];
  /** What routers are told of the servers, in their order. */
  list: ServiceList;
  /** The part of the weight that affected servers have, scores apart. */
  affectedPart: number;
}

export function createRun(contender: Contender, { servers: setups, onsetMs, scoreLagMs }: Cluster): Run {
  const { algorithm } = contender;
  const servers = setups.map(createServer);
  const run: Run = {
    contender,
    servers,
    agenda: new Agenda(),
    observations: createObservations(servers.length),
    reaction: onsetMs === undefined ? undefined : watchReaction(onsetMs),
    scoreFeed: scoreLagMs === undefined ? undefined : createScoreFeed(servers.length, scoreLagMs, { algorithm }),
    scores: servers.map(() => 1),
    list: { version: 0, mode: "normal", policy: { algorithm }, instances: [] },
    affectedPart: 0,
  };
  publish(run);
  return run;
}

/** Tells the routers what the servers' weights are now. */
export function publish(run: Run): void {
  const { algorithm } = run.contender;
  const policy = algorithm === "consistent-hash" ? { algorithm, hashOn: "header:x-user-id" } : { algorithm };
  const instances = run.servers.map((server, i) => peerOf(i, server.weight, run.scores[i]!));
  run.list = { version: run.list.version + 1, mode: "normal", policy, instances };
  weighAffected(run);
}

export function weighAffected(run: Run): void {
  let all = 0;
  let affected = 0;
  for (const { weight, isAffected } of run.servers) {
    all += weight;
    if (isAffected) affected += weight;
  }
  run.affectedPart = affected / all;
}

function peerOf(server: number, baseWeight: number, score: number): Peer {
  const id = idOf(server);
  const weight = scoredWeight(baseWeight, score);
  return { id, name: id, address: "127.0.0.1", port: server + 1, baseWeight, score, weight, metadata: {} };
}
