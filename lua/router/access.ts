import { encodeJson } from "./json.ts";
import { lastAttempt } from "./last-attempt.ts";
import { endRequest, routedRequest } from "./request.ts";
import { countAttempt } from "./responses.ts";
import { currentTable } from "./tables.ts";

/** Access phase: answers 503 when nothing can serve; later phases can't. */
export function access(): void {
  const service = ngx.var["routectl_service"];
  if (service === undefined || service === "") {
    return refuse("no-service", "set $routectl_service in this location of nginx's configuration");
  }
  const table = currentTable(service);
  if (table === undefined) {
    return refuse("unknown-service", `no list of service ${service}: register it with routectl service register`);
  }
  if (table.plan.ids.length === 0) {
    return refuse("no-instance", `no instance of service ${service} takes requests: see routectl peers ${service}`);
  }
  // A request that was redirected from another location of ours has a record: it ends here.
  const before = routedRequest();
  if (before !== undefined) {
    countAttempt(before, tonumber(lastAttempt("upstream_status")));
    endRequest(before);
  }
}

function refuse(error: string, message: string): void {
  ngx.status = 503;
  ngx.header["Content-Type"] = "application/json";
  ngx.header["Retry-After"] = "1";
  ngx.say(encodeJson({ error, message }));
  ngx.exit(503);
}
