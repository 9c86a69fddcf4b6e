import type { Policy } from "../../lua/core/types.ts";
import { createServiceScorer } from "../ipconfig/scoring/scorer.ts";
import type { Instance } from "../store/schemas.ts";
import type { Sample } from "../store/status.ts";
import { type Attempt, idOf, inFlightAt, type Server } from "./server.ts";

/** Scores of the servers' own reports, by the scorer of ipconfig, that come into force a while after what they tell of. */
export interface ScoreFeed {
  /** An attempt has ended. */
  note(attempt: Attempt, isAnswered: boolean, nowMs: number): void;
  /** Looks at what the servers have under way; to be called several times a second. */
  observe(servers: readonly Server[]): void;
  /** The servers report; to be called once a second. */
  report(servers: readonly Server[], nowMs: number): void;
  /** The scores by server that have come into force since the last call; undefined when there are none. */
  takeDue(nowMs: number): readonly number[] | undefined;
}

const INTERVAL_MS = 1000;

interface Meter {
  answered: number;
  failed: number;
  latencySum: number;
  busyMs: number;
  inFlightSum: number;
  moments: number;
}

/** @param lagMs from a report to the moment when routers go by it */
export function createScoreFeed(servers: number, lagMs: number, policy: Policy): ScoreFeed {
  const scorer = createServiceScorer();
  const meters = Array.from({ length: servers }, createMeter);
  const coming: { readonly atMs: number; readonly scores: readonly number[] }[] = [];
  return {
    note: ({ load, beganMs, servedMs }, isAnswered, nowMs) => {
      const meter = meters[load.server]!;
      meter.busyMs += servedMs;
      if (isAnswered) {
        meter.answered++;
        meter.latencySum += nowMs - beganMs;
      } else meter.failed++;
    },
    observe: (all) => {
      for (const [i, server] of all.entries()) {
        meters[i]!.inFlightSum += inFlightAt(server);
        meters[i]!.moments++;
      }
    },
    report: (all, nowMs) => {
      const instances = new Map(all.map(({ weight }, i) => [idOf(i), instanceOf(i, weight)]));
      const samples = new Map(all.map((server, i) => [idOf(i), sampleOf(server, meters[i]!)]));
      for (let i = 0; i < meters.length; i++) meters[i] = createMeter();
      const status = { at: nowMs, intervalMs: INTERVAL_MS, samples };
      // Only what moves a weight notably is published, as by ipconfig.
      if (!scorer.tick(status, instances, policy, nowMs, false)) return;
      coming.push({ atMs: nowMs + lagMs, scores: all.map((_, i) => scorer.scoreOf(idOf(i))) });
    },
    takeDue: (nowMs) => {
      let due: readonly number[] | undefined;
      while (coming.length > 0 && coming[0]!.atMs <= nowMs) due = coming.shift()!.scores;
      return due;
    },
  };
}

function createMeter(): Meter {
  return { answered: 0, failed: 0, latencySum: 0, busyMs: 0, inFlightSum: 0, moments: 0 };
}

function sampleOf({ state, slots }: Server, meter: Meter): Sample {
  if (state === "refuses") return { state: "down" };
  const { answered, failed, latencySum, busyMs, inFlightSum, moments } = meter;
  return {
    state: "up",
    cpu: Math.min(1, busyMs / (slots * INTERVAL_MS)),
    requestsPerSecond: answered + failed,
    errorsPerSecond: failed,
    inFlight: inFlightSum / Math.max(1, moments),
    ...(answered > 0 ? { latencyMs: latencySum / answered } : {}),
  };
}

function instanceOf(server: number, weight: number): Instance {
  const id = idOf(server);
  return { id, name: id, address: "127.0.0.1", port: server + 1, weight, metadata: {} };
}
