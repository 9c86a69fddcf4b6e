import { nextLatency } from "../core/latency.ts";
import { nowMs } from "./freshness.ts";
import type { RoutedRequest } from "./request.ts";

/** A failed attempt counts as at least this slow: a connection that is refused at once must not look best. */
const FAILURE_LATENCY_MS = 1000;

/** An attempt of a request has ended: what was under way at the peer goes down, and its status, if any, is counted. */
export function countAttempt(request: RoutedRequest, status: number | undefined): void {
  const { load } = request;
  if (load === undefined) return;
  const { serviceLoad } = request.table;
  load.inFlight--;
  serviceLoad.inFlight--;
  if (status !== undefined) load.responses.set(status, (load.responses.get(status) ?? 0) + 1);
  request.load = undefined;
}

/** An attempt has failed, and the request goes on to another peer. */
export function countFailedAttempt(request: RoutedRequest, status: number): void {
  const elapsed = nowMs() - request.attemptAtMs;
  noteLatency(request, Math.max(FAILURE_LATENCY_MS, elapsed));
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
