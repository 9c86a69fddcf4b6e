import { flushCounters } from "./counters.ts";
import { decisionOf } from "./decisions.ts";
import { nowMs } from "./freshness.ts";
import { bucketOf } from "./histogram.ts";
import { endRequest, type RoutedRequest, requestsUnderWay, routedRequest } from "./request.ts";
import { settings } from "./settings.ts";
import { endLastAttempt } from "./verdict.ts";

const FLUSH_MS = 1000;

let flushedAtMs = 0;

/**
 * Log phase: ends what the balancer began. Times come from nginx's cached clock (milliseconds) rather than from
 * `$upstream_response_time`, whose parsing costs more than the pick.
 */
export function log(): void {
  const request = routedRequest();
  if (request === undefined) return;
  const now = nowMs();
  if (settings.accessLog) fillAccessLog(request);
  if (request.attempts > 0) {
    const { serviceLoad } = request.table;
    const seconds = (now - request.startedAtMs) / 1000;
    const bucket = bucketOf(seconds);
    serviceLoad.buckets[bucket] = (serviceLoad.buckets[bucket] ?? 0) + 1;
    serviceLoad.durationSum += seconds;
    endLastAttempt(request, now);
  }
  endRequest(request);
  // A worker that is on its way out has no timer any more.
  if (ngx.worker.exiting() && (requestsUnderWay() === 0 || now - flushedAtMs >= FLUSH_MS)) {
    flushedAtMs = now;
    flushCounters();
  }
}

/** The variables of the log format `routectl`. */
function fillAccessLog(request: RoutedRequest): void {
  ngx.var["routectl_attempts"] = `${request.attempts}`;
  ngx.var["routectl_mode"] = request.table.mode;
  const decision = decisionOf(request.decision);
  if (decision === undefined) return;
  ngx.var["routectl_peer"] = decision.peer;
  ngx.var["routectl_reason"] = decision.reason;
  ngx.var["routectl_id"] = decision.requestId;
}
