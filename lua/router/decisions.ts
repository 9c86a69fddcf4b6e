import { SCAN_LIMIT } from "../core/least-loaded.ts";
import type { Algorithm } from "../core/types.ts";
import { nowMs } from "./freshness.ts";
import type { PeerLoad } from "./loads.ts";
import type { RoutedRequest } from "./request.ts";
import { settings } from "./settings.ts";
import type { Pool, TableFacts } from "./tables.ts";

/**
 * The flight recorder: the last decisions of this worker, one for each attempt of a request. One array a field, since a
 * request that wrote to an object of its own among a thousand would miss the CPU's caches once a field.
 */

const KEPT = 1000;

const facts: TableFacts[] = [];
/** Only small ones: a large pool that was replaced must not stay for the recorder's sake. */
const pools: (Pool | undefined)[] = [];
const peerCounts: number[] = [];
const algorithms: Algorithm[] = [];
const loads: PeerLoad[] = [];
const times: number[] = [];
/** Attempt, how it came about, and the rule, packed into one number. */
const kinds: number[] = [];
const statuses: number[] = [];
const endings: number[] = [];
const requestIds: string[] = [];
/** The number of the request's first decision. */
const firsts: number[] = [];
/** The costs that the pick saw, `SCAN_LIMIT` a decision; -1 for a peer that was not to be picked again. */
const costs: number[] = [];

let count = 0;

const PICK = 0;
const PROBE = 1;
const SESSION = 2;
const HOWS = 4;
const ATTEMPTS = 32;

/** One attempt of a request. */
export interface Decision {
  readonly number: number;
  readonly atMs: number;
  readonly requestId: string;
  readonly facts: TableFacts;
  readonly algorithm: Algorithm;
  readonly candidateCount: number;
  /** Undefined when it has many peers. */
  readonly pool: Pool | undefined;
  readonly peer: string;
  /** From 1. */
  readonly attempt: number;
  /** From 1; 0: none. */
  readonly rule: number;
  readonly reason: string;
  /** By peer index of the pool, as `costs`; empty where the pick did not look at all of them. */
  readonly costs: readonly number[];
  /** Undefined while it is under way, and for a connection that was stale. */
  readonly status: number | undefined;
  readonly tookMs: number | undefined;
}

/** How many decisions this worker has made; the last one has this number. */
export function lastDecision(): number {
  return count;
}

/** Keeps a decision that has just been made, in place of the one a thousand before. */
export function recordDecision(request: RoutedRequest, load: PeerLoad): void {
  const { pool } = request;
  const place = count % KEPT;
  count++;
  request.decision = count;
  if (request.attempts === 1) request.firstDecision = count;
  firsts[place] = request.firstDecision;
  facts[place] = request.table.facts;
  algorithms[place] = pool.plan.algorithm;
  const peerCount = pool.plan.count;
  peerCounts[place] = peerCount;
  pools[place] = peerCount <= SCAN_LIMIT ? pool : undefined;
  loads[place] = load;
  times[place] = request.attemptAtMs;
  const how = request.probe !== 0 ? PROBE : request.isPinned ? SESSION : PICK;
  kinds[place] = (request.rule * HOWS + how) * ATTEMPTS + request.attempts;
  statuses[place] = 0;
  endings[place] = 0;
  // nginx's own $request_id costs as much as several picks, so that it is not read unless it is asked for.
  const { requestIdVariable } = settings;
  requestIds[place] = requestIdVariable === "" ? "" : (ngx.var[requestIdVariable] ?? "");
  if (how === PICK && pool.looksAtAll) {
    const from = place * SCAN_LIMIT;
    const seen = pool.plan.costs;
    for (let i = 0; i < peerCount; i++) costs[from + i] = seen[i]!;
  }
}

/** The attempt under way has ended. */
export function recordEnd(request: RoutedRequest, status: number | undefined): void {
  const number = request.decision;
  request.decision = 0;
  // A long one has lost its place to a later decision.
  if (number === 0 || count - number >= KEPT) return;
  statuses[(number - 1) % KEPT] = status ?? 0;
  endings[(number - 1) % KEPT] = nowMs();
}

/** What is kept of a decision; undefined when it is none of the last thousand. */
export function decisionOf(number: number): Decision | undefined {
  if (number < 1 || number > count || count - number >= KEPT) return undefined;
  const place = (number - 1) % KEPT;
  const kind = kinds[place]!;
  const how = Math.floor(kind / ATTEMPTS) % HOWS;
  const attempt = kind % ATTEMPTS;
  const pool = pools[place];
  const ofPeers: number[] = [];
  if (how === PICK && pool?.looksAtAll === true) {
    for (let i = 0; i < pool.plan.count; i++) ofPeers[i] = costs[place * SCAN_LIMIT + i]!;
  }
  return {
    number,
    atMs: times[place]!,
    requestId: requestIds[place] !== "" ? requestIds[place]! : `${ngx.worker.pid()}-${firsts[place]}`,
    facts: facts[place]!,
    algorithm: algorithms[place]!,
    candidateCount: peerCounts[place]!,
    pool,
    peer: loads[place]!.id,
    attempt,
    rule: Math.floor(kind / ATTEMPTS / HOWS),
    reason: reasonOf(how, attempt, algorithms[place]!),
    costs: ofPeers,
    status: statuses[place] === 0 ? undefined : statuses[place],
    tookMs: endings[place] === 0 ? undefined : endings[place]! - times[place]!,
  };
}

/** Why a decision was as it was, in a few words. */
function reasonOf(how: number, attempt: number, algorithm: Algorithm): string {
  if (how === PROBE) return "probe of an ejected peer";
  if (how === SESSION) return "session cookie";
  if (algorithm === "adaptive" || algorithm === "least-request") return "least load";
  if (algorithm === "consistent-hash") return attempt === 1 ? "nearest on the ring" : "next on the ring";
  if (algorithm === "round-robin") return "its turn";
  return algorithm === "best" ? "first of the list" : "drawn by weight";
}
