import { decisionOf } from "./decisions.ts";
import { routedRequest } from "./request.ts";

/** Header filter, only where nginx/debug-header.conf is included: says which peer answers, and why. */
export function header(): void {
  const request = routedRequest();
  const decision = request === undefined ? undefined : decisionOf(request.decision);
  if (decision === undefined) return;
  ngx.header["X-Routectl-Peer"] = decision.peer;
  ngx.header["X-Routectl-Attempts"] = `${decision.attempt}`;
  ngx.header["X-Routectl-Mode"] = decision.facts.mode;
  ngx.header["X-Routectl-Reason"] = decision.reason;
  ngx.header["X-Routectl-Id"] = decision.requestId;
}
