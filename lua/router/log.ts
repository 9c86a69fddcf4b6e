import { nowMs } from "./freshness.ts";
import { bucketOf } from "./histogram.ts";
import { lastAttempt } from "./last-attempt.ts";
import { endRequest, type RoutedRequest, routedRequest } from "./request.ts";
import { countAttempt, countFailedAttempt, noteLatency } from "./responses.ts";

/** From here on an answer may be a stream, whose length says nothing of its instance's latency. */
const MAY_BE_STREAM_MS = 100;

/**
 * Log phase: ends what the balancer began. Times come from nginx's cached clock (milliseconds) rather than from
 * `$upstream_response_time`, whose parsing costs more than the pick.
 */
export function log(): void {
  const request = routedRequest();
  if (request === undefined) return;
  if (request.load !== undefined) {
    const { status } = ngx;
    const now = nowMs();
    const { serviceLoad } = request.table;
    const seconds = (now - request.startedAtMs) / 1000;
    const bucket = bucketOf(seconds);
    serviceLoad.buckets[bucket] = (serviceLoad.buckets[bucket] ?? 0) + 1;
    serviceLoad.durationSum += seconds;
    // An error that comes at once must not make its instance look fast.
    if (status >= 500) countFailedAttempt(request, status);
    else {
      // 499: the client has gone, which may say more of the client than of the instance.
      if (status !== 499) noteLatency(request, latencyOf(request, now));
      countAttempt(request, status);
    }
  }
  endRequest(request);
}

function latencyOf(request: RoutedRequest, now: number): number {
  const elapsedMs = now - request.attemptAtMs;
  if (elapsedMs < MAY_BE_STREAM_MS) return elapsedMs;
  const seconds = tonumber(lastAttempt("upstream_header_time"));
  return seconds === undefined ? elapsedMs : seconds * 1000;
}
