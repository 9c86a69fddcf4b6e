import { isFailure, isGrpcFailure } from "../core/failure.ts";
import { lastAttempt } from "./last-attempt.ts";
import type { RoutedRequest } from "./request.ts";
import { countAttempt, countFailure, countSuccess, noteLatency } from "./responses.ts";
import { isGrpc } from "./streams.ts";

/** From here on an answer may be a stream, whose length says nothing of its instance's latency. */
const MAY_BE_STREAM_MS = 100;

/** The client has gone before there was an answer. */
const CLIENT_CLOSED_REQUEST = 499;
const GATEWAY_TIMEOUT = 504;

/** Ends a request's last attempt by what its instance has answered, whatever nginx then made of it for the client. */
export function endLastAttempt(request: RoutedRequest, now: number): void {
  if (request.load === undefined) return;
  if (ngx.status === CLIENT_CLOSED_REQUEST) return endAbandoned(request, now);
  const status = instanceStatus();
  if (!isFailure(status) && !hasGrpcFailed()) return countSuccess(request, status, latencyOf(request, now));
  if (isUnanswered() && wasCutShort(status)) return countAttempt(request, status);
  countFailure(request, status, isUnanswered());
}

/**
 * Whether the instance closed the connection before it had the whole body, as it does with one that is too large for it:
 * what it has answered then is lost to nginx. It says nothing of its health.
 * @param status what nginx made of it
 */
export function wasCutShort(status: number | undefined): boolean {
  if (status === GATEWAY_TIMEOUT) return false;
  const length = tonumber(ngx.var["content_length"]);
  const sent = tonumber(lastAttempt("upstream_bytes_sent"));
  return length !== undefined && sent !== undefined && sent > 0 && sent < length;
}

const statusTexts = new LuaMap<number, string>();

/** The status of the last attempt: after `error_page` or X-Accel-Redirect the client gets another one. */
function instanceStatus(): number {
  const { status } = ngx;
  const text = ngx.var["upstream_status"];
  let known = statusTexts.get(status);
  if (known === undefined) {
    known = `${status}`;
    statusTexts.set(status, known);
  }
  // One attempt, passed on as it was: nothing needs to be parsed.
  if (text === known) return status;
  return tonumber(lastAttempt("upstream_status")) ?? status;
}

/** The client may have lost patience because of the instance, or for reasons of its own. */
function endAbandoned(request: RoutedRequest, now: number): void {
  const waitedMs = now - request.attemptAtMs;
  if (!request.isStream && waitedMs >= request.table.timeouts.perTryMs) {
    countFailure(request, CLIENT_CLOSED_REQUEST, true);
    return;
  }
  // The answer would have taken longer still.
  if (waitedMs > request.load!.latencyMs) noteLatency(request, waitedMs);
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
