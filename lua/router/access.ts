import { chooseFirst, readRequest } from "./choose.ts";
import { nowMs } from "./freshness.ts";
import { encodeJson } from "./json.ts";
import { takeToken } from "./limits.ts";
import { countEvent } from "./loads.ts";
import { beginRequest, endRequest, requestsUnderWay, routedRequest } from "./request.ts";
import { settings } from "./settings.ts";
import { isOfDrained, setSessionCookie } from "./sticky.ts";
import { currentTable } from "./tables.ts";
import { endLastAttempt } from "./verdict.ts";

/** Access phase: refuses what can't or must not be served, which later phases can't; else begins the request's record. */
export function access(): void {
  // A request that was redirected from another location of ours has a record: it ends here.
  const before = routedRequest();
  if (before !== undefined) {
    endLastAttempt(before, nowMs());
    endRequest(before);
  }
  const service = ngx.var["routectl_service"];
  if (service === undefined || service === "") {
    return refuse(503, 1, "no-service", "set $routectl_service in this location of nginx's configuration");
  }
  const table = currentTable(service);
  if (table === undefined) {
    return refuse(
      503,
      1,
      "unknown-service",
      `no list of service ${service}: register it with routectl service register`,
    );
  }
  if (!table.serves && !isOfDrained(table)) {
    return refuse(
      503,
      1,
      "no-instance",
      `no instance of service ${service} takes requests: see routectl peers ${service}`,
    );
  }
  if (requestsUnderWay() >= settings.maxInFlightOfWorker) {
    countEvent(table.serviceLoad, "overloaded");
    return refuse(503, 1, "overloaded", "this router has as many requests in flight as it may (maxInFlight)");
  }
  if (table.limit !== undefined) {
    const retryAfter = takeToken(table, table.limit);
    if (retryAfter > 0) {
      countEvent(table.serviceLoad, "limited");
      return refuse(429, retryAfter, "too-many-requests", `at most ${table.limit.rate} requests a second`);
    }
  }
  const request = beginRequest(table);
  // The session's cookie can be set only now, before an instance has answered.
  if (table.stickyVariable !== "") {
    readRequest(request);
    request.chosen = chooseFirst(request, nowMs());
    setSessionCookie(request);
  }
}

function refuse(status: number, retryAfterSeconds: number, error: string, message: string): void {
  ngx.status = status;
  ngx.header["Content-Type"] = "application/json";
  ngx.header["Retry-After"] = `${retryAfterSeconds}`;
  ngx.say(encodeJson({ error, message }));
  ngx.exit(status);
}
