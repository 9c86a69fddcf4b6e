import { ejectionSettings, failsInARow, failsTooOften } from "../../lua/core/ejection.ts";
import { nextLatency } from "../../lua/core/latency.ts";
import { addUnanswered, ejectPeer, releasePeer } from "./health.ts";
import type { Attempt } from "./server.ts";
import { forgetFailures } from "./worker.ts";

/** What a worker learns from an attempt: as lua/router/responses.ts and lua/router/outliers.ts have it. */

/** A failed attempt counts as at least this slow, as in lua/router/responses.ts. */
const FAILURE_LATENCY_MS = 1000;

const EJECTION = ejectionSettings(undefined);

export function noteSuccess(attempt: Attempt, nowMs: number): void {
  const { load, isProbe, request } = attempt;
  const { health, view } = request.worker;
  noteLatency(attempt, nowMs - attempt.beganMs, nowMs);
  load.answers++;
  if (load.consecutiveFailures > 0) {
    load.consecutiveFailures = 0;
    if (load.unanswered > 0) health.unanswered.delete(load.id);
    load.unanswered = 0;
  }
  if (isProbe || (view.panic && health.untilMs.has(load.id))) releasePeer(health, load.id, nowMs);
}

export function noteFailure(attempt: Attempt, isUnanswered: boolean, nowMs: number): void {
  const { load, isProbe, request } = attempt;
  const { health, random } = request.worker;
  noteLatency(attempt, Math.max(FAILURE_LATENCY_MS, nowMs - attempt.beganMs), nowMs);
  if (isProbe) {
    ejectPeer(health, load.id, EJECTION, true, nowMs, random);
    return;
  }
  load.answers++;
  load.failures++;
  load.consecutiveFailures++;
  load.unanswered = isUnanswered ? addUnanswered(health, load.id, nowMs) : 0;
  if (!failsInARow(load, EJECTION) && !failsTooOften(load.answers, load.failures, EJECTION)) return;
  forgetFailures(load);
  ejectPeer(health, load.id, EJECTION, false, nowMs, random);
}

function noteLatency({ load }: Attempt, latencyMs: number, nowMs: number): void {
  load.latencyMs = nextLatency(load.latencyMs, load.measuredAtMs, latencyMs, nowMs);
  load.measuredAtMs = nowMs;
}
