import { bucketOf } from "./histogram.ts";
import { endRequest, routedRequest } from "./request.ts";
import { countAttempt } from "./responses.ts";

/**
 * Log phase: ends what the balancer began. Times come from nginx's cached clock (milliseconds) rather than from
 * `$upstream_response_time`, whose parsing costs more than the pick.
 */
export function log(): void {
  const request = routedRequest();
  if (request === undefined) return;
  if (request.load !== undefined) {
    const { serviceLoad } = request.table;
    const seconds = ngx.now() - request.startedAt;
    const bucket = bucketOf(seconds);
    serviceLoad.buckets[bucket] = (serviceLoad.buckets[bucket] ?? 0) + 1;
    serviceLoad.durationSum += seconds;
    countAttempt(request, ngx.status);
  }
  endRequest(request);
}
