import { nextLatency } from "../core/latency.ts";
import { recordEnd } from "./decisions.ts";
import { nowMs } from "./freshness.ts";
import { ejectPeer, endProbe, holdsProbe, releasePeer } from "./health.ts";
import { noteFailure, noteSuccess } from "./outliers.ts";
import type { RoutedRequest } from "./request.ts";

/** A failed attempt counts as at least this slow: a connection that is refused at once must not look best. */
const FAILURE_LATENCY_MS = 1000;

/** An attempt of a request has ended: what was under way at the peer goes down, and its status, if any, is counted. */
export function countAttempt(request: RoutedRequest, status: number | undefined): void {
  const { load, table } = request;
  if (load === undefined) return;
  const { serviceLoad } = table;
  load.inFlight--;
  serviceLoad.inFlight--;
  serviceLoad.poolInFlight[request.poolIndex]!--;
  if (status !== undefined) load.responses.set(status, (load.responses.get(status) ?? 0) + 1);
  recordEnd(request, status);
  if (request.probe !== 0) {
    // A probe that ended with neither success nor failure leaves its turn to the next request.
    endProbe(load, request.probe);
    request.probe = 0;
  }
  request.load = undefined;
}

/** An attempt has been answered as it should. */
export function countSuccess(request: RoutedRequest, status: number, latencyMs: number): void {
  const { load, table } = request;
  if (load === undefined) return;
  noteLatency(request, latencyMs);
  noteSuccess(load);
  load.answeredAtMs = load.measuredAtMs;
  if (request.probe !== 0 || (table.usesEjected && table.usedThoughEjected.has(load.id)))
    releasePeer(table.service, load);
  countAttempt(request, status);
}

/**
 * An attempt has failed, by an error of the connection, a timeout, or what was answered.
 * @param isUnanswered whether the instance has answered nothing at all
 */
export function countFailure(request: RoutedRequest, status: number, isUnanswered: boolean): void {
  const { load, table } = request;
  if (load === undefined) return;
  noteLatency(request, Math.max(FAILURE_LATENCY_MS, nowMs() - request.attemptAtMs));
  if (request.probe !== 0 && holdsProbe(load, request.probe)) {
    ejectPeer(table.service, load, table.ejection, `a request that tried it was answered ${status}`, true);
    request.probe = 0;
  } else noteFailure(table, load, isUnanswered);
  countAttempt(request, status);
}

/** What adaptive balancing goes by. */
export function noteLatency(request: RoutedRequest, latencyMs: number): void {
  const { load } = request;
  if (load === undefined) return;
  const now = nowMs();
  load.latencyMs = nextLatency(load.latencyMs, load.measuredAtMs, latencyMs, now);
  load.measuredAtMs = now;
}
