import { isFailure, isGrpcFailure } from "../core/failure.ts";
import { flushCounters } from "./counters.ts";
import { type Decision, decisionOf } from "./decisions.ts";
import { nowMs } from "./freshness.ts";
import { bucketOf } from "./histogram.ts";
import { lastAttempt } from "./last-attempt.ts";
import { endRequest, type RoutedRequest, routedRequest } from "./request.ts";
import { countAttempt, countFailure, countSuccess, noteLatency } from "./responses.ts";
import { settings } from "./settings.ts";
import { isGrpc } from "./streams.ts";

/** From here on an answer may be a stream, whose length says nothing of its instance's latency. */
const MAY_BE_STREAM_MS = 100;

/** The client has gone before there was an answer. */
const CLIENT_CLOSED_REQUEST = 499;

/**
 * Log phase: ends what the balancer began. Times come from nginx's cached clock (milliseconds) rather than from
 * `$upstream_response_time`, whose parsing costs more than the pick.
 */
export function log(): void {
  const request = routedRequest();
  if (request === undefined) return;
  const { load } = request;
  if (settings.accessLog) fillAccessLog(request, decisionOf(request.decision));
  const now = nowMs();
  // Also where the last attempt had failed, and no other was allowed.
  if (request.attempts > 0) noteDuration(request, now);
  if (load !== undefined) {
    const { status } = ngx;
    if (status === CLIENT_CLOSED_REQUEST) endAbandoned(request, now);
    else if (isFailure(status) || hasGrpcFailed()) countFailure(request, status, isUnanswered());
    else countSuccess(request, status, latencyOf(request, now));
  }
  endRequest(request);
  // A worker that is on its way out has no timer any more.
  if (ngx.worker.exiting()) flushCounters();
}

function noteDuration({ table, startedAtMs }: RoutedRequest, now: number): void {
  const { serviceLoad } = table;
  const seconds = (now - startedAtMs) / 1000;
  const bucket = bucketOf(seconds);
  serviceLoad.buckets[bucket] = (serviceLoad.buckets[bucket] ?? 0) + 1;
  serviceLoad.durationSum += seconds;
}

/** The client may have lost patience because of the instance, or for reasons of its own. */
function endAbandoned(request: RoutedRequest, now: number): void {
  const waitedMs = now - request.attemptAtMs;
  if (!request.isStream && waitedMs >= request.table.timeouts.perTryMs) {
    countFailure(request, CLIENT_CLOSED_REQUEST, true);
    return;
  }
  // The answer would have taken longer still.
  if (request.load !== undefined && waitedMs > request.load.latencyMs) noteLatency(request, waitedMs);
  countAttempt(request, CLIENT_CLOSED_REQUEST);
}

/** Whether it was nginx that has answered, because the last instance did not. */
function isUnanswered(): boolean {
  const headerTime = lastAttempt("upstream_header_time");
  return headerTime === undefined || headerTime === "-";
}

function hasGrpcFailed(): boolean {
  if (ngx.req.get_method() !== "POST" || !isGrpc()) return false;
  // In a trailer, or, when there is nothing but trailers, among the headers.
  return isGrpcFailure(ngx.var["upstream_trailer_grpc_status"] ?? ngx.var["upstream_http_grpc_status"]);
}

function latencyOf(request: RoutedRequest, now: number): number {
  const elapsedMs = now - request.attemptAtMs;
  if (elapsedMs < MAY_BE_STREAM_MS) return elapsedMs;
  const seconds = tonumber(lastAttempt("upstream_header_time"));
  return seconds === undefined ? elapsedMs : seconds * 1000;
}

/** The variables of the log format `routectl`. */
function fillAccessLog(request: RoutedRequest, decision: Decision | undefined): void {
  ngx.var["routectl_attempts"] = `${request.attempts}`;
  ngx.var["routectl_mode"] = request.table.mode;
  if (decision === undefined) return;
  ngx.var["routectl_peer"] = decision.peer;
  ngx.var["routectl_reason"] = decision.reason;
  ngx.var["routectl_id"] = decision.requestId;
}
