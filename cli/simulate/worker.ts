import type { PickRequest } from "../../lua/core/pick-request.ts";
import type { Plan } from "../../lua/core/plan.ts";
import { prepareRouting } from "../../lua/core/routing.ts";
import type { ServiceList } from "../../lua/core/types.ts";
import type { Picker } from "./contenders.ts";
import { claimProbe, type Health } from "./health.ts";
import type { Random } from "./random.ts";

/** What a router's worker has under way at a server and has seen of it: what is needed here of lua/router/loads.ts. */
export interface PeerLoad {
  readonly id: string;
  /** Its server's place among the servers, and in the list. */
  readonly server: number;
  inFlight: number;
  /** Peak EWMA; 0 until the first answer. */
  latencyMs: number;
  measuredAtMs: number;
  consecutiveFailures: number;
  unanswered: number;
  answers: number;
  failures: number;
  /** Whether it is among the peers that take requests; one that comes back starts anew. */
  routed: boolean;
}

/** What a worker routes by until the list or somebody's health changes: what is needed here of lua/router/tables.ts. */
export interface View {
  readonly plan: Plan;
  /** By peer index of the plan. */
  readonly loads: readonly PeerLoad[];
  /** Those that are left out, and from when on one request at a time tries them. */
  readonly ejected: readonly { readonly load: PeerLoad; readonly untilMs: number }[];
  /** Whether ejections are ignored, because too many are ejected. */
  readonly panic: boolean;
  readonly listVersion: number;
  readonly healthVersion: number;
}

/** A router's worker, which knows of its own requests only, and of the ejections of its router. */
export interface Worker {
  readonly health: Health;
  readonly random: Random;
  readonly pick: Picker;
  /** By server. */
  readonly loads: readonly PeerLoad[];
  /** Filled anew for every pick. */
  readonly pickRequest: { -readonly [Field in keyof PickRequest]: PickRequest[Field] };
  view: View;
  inFlight: number;
  /** Requests and retries, of which a part is forgotten every second: what the retry budget goes by. */
  requests: number;
  retries: number;
}

/** Where a request goes. */
export interface Choice {
  readonly load: PeerLoad;
  /** Whether it goes to an ejected peer, to try it. */
  readonly isProbe: boolean;
}

export function createWorker(list: ServiceList, health: Health, pick: Picker, random: Random): Worker {
  const loads = list.instances.map(({ id }, server) => ({
    id,
    server,
    inFlight: 0,
    latencyMs: 0,
    measuredAtMs: 0,
    consecutiveFailures: 0,
    unanswered: 0,
    answers: 0,
    failures: 0,
    routed: false,
  }));
  const pickRequest = { keyHash: 0, random: 0, tried: [], triedCount: 0, loads, totalInFlight: 0, nowMs: 0 };
  const view = prepareView(list, loads, health, random, 0);
  return { health, random, pick, loads, pickRequest, view, inFlight: 0, requests: 0, retries: 0 };
}

/** Brings what a worker routes by up to date with the list and its router's health. */
export function refreshView(worker: Worker, list: ServiceList, nowMs: number): void {
  const { view, loads, health, random } = worker;
  if (view.listVersion === list.version && view.healthVersion === health.version) return;
  worker.view = prepareView(list, loads, health, random, nowMs);
}

/** The peer for a request's first attempt, as in lua/router/balance.ts; undefined when there is none. */
export function chooseFirst(worker: Worker, keyHash: number, nowMs: number): Choice | undefined {
  for (const { load, untilMs } of worker.view.ejected) {
    // All simulated requests can be sent again, so that any of them may try.
    if (nowMs >= untilMs && claimProbe(worker.health, load.id, nowMs)) return { load, isProbe: true };
  }
  return chooseNext(worker, keyHash, NONE_TRIED, nowMs);
}

const NONE_TRIED: readonly PeerLoad[] = [];

/** The peer for a further attempt: one that was not tried; undefined when there is none. */
export function chooseNext(
  worker: Worker,
  keyHash: number,
  tried: readonly PeerLoad[],
  nowMs: number,
): Choice | undefined {
  const { pickRequest, view } = worker;
  // Some may have left the list, or be ejected, since they were tried.
  const triedPeers = tried.map((load) => view.loads.indexOf(load)).filter((peer) => peer >= 0);
  if (view.loads.length <= triedPeers.length) return undefined;
  pickRequest.keyHash = keyHash;
  pickRequest.random = worker.random();
  pickRequest.tried = triedPeers;
  pickRequest.triedCount = triedPeers.length;
  pickRequest.loads = view.loads;
  pickRequest.totalInFlight = worker.inFlight;
  pickRequest.nowMs = nowMs;
  return { load: view.loads[worker.pick(view, pickRequest)]!, isProbe: false };
}

/** What is left of counts after a second, as in lua/router/outliers.ts. */
const KEPT_PER_SECOND = 0.9;

/** A peer whose last attempt has failed, but that is not ejected, is tried again after this; as in lua/router/outliers.ts. */
const SUSPECTED_MS = 2000;

/** Forgets a part of what was counted; to be called once a second. */
export function forgetOldAnswers(worker: Worker, nowMs: number): void {
  worker.requests *= KEPT_PER_SECOND;
  worker.retries *= KEPT_PER_SECOND;
  for (const load of worker.loads) {
    load.answers *= KEPT_PER_SECOND;
    load.failures *= KEPT_PER_SECOND;
    if (load.consecutiveFailures > 0 && nowMs - load.measuredAtMs >= SUSPECTED_MS) load.latencyMs = 0;
  }
}

/** What was counted of a peer, taken back. */
export function forgetFailures(load: PeerLoad): void {
  load.consecutiveFailures = 0;
  load.unanswered = 0;
  load.answers = 0;
  load.failures = 0;
}

/** @param all the loads of a worker, in the list's order */
function prepareView(list: ServiceList, all: readonly PeerLoad[], health: Health, random: Random, nowMs: number): View {
  const ejectedUntilMs = Object.fromEntries(health.untilMs);
  const routing = prepareRouting(list, { mode: list.mode, nowMs, listAgeMs: 0, ejectedUntilMs }, random());
  const plan = routing.plans[0]!;
  const loads = plan.places.map((place) => all[place]!);
  noteRouted(all, loads, nowMs);
  const ejected = routing.ejected.map((place) => ({ load: all[place]!, untilMs: ejectedUntilMs[all[place]!.id]! }));
  return { plan, loads, ejected, panic: routing.panic, listVersion: list.version, healthVersion: health.version };
}

/** A peer that is new, or that comes back, starts from the others' median: from zero it would look best. */
function noteRouted(all: readonly PeerLoad[], loads: readonly PeerLoad[], nowMs: number): void {
  const routed = new Set(loads);
  for (const load of all) {
    if (routed.has(load) && !load.routed) {
      load.latencyMs = 0;
      load.measuredAtMs = 0;
      forgetFailures(load);
    }
    load.routed = routed.has(load);
  }
  const known = loads.map(({ latencyMs }) => latencyMs).filter((latencyMs) => latencyMs > 0);
  if (known.length === 0) return;
  known.sort((a, b) => a - b);
  for (const load of loads) {
    if (load.latencyMs > 0) continue;
    load.latencyMs = known[Math.floor(known.length / 2)]!;
    load.measuredAtMs = nowMs;
  }
}
