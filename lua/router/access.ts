import { encodeJson } from "./json.ts";
import { beginRequest } from "./request.ts";
import { currentTable } from "./tables.ts";

/** Access phase: finds what the service routes by, and answers 503 when nothing can serve. */
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
  beginRequest(table);
}

function refuse(error: string, message: string): void {
  ngx.status = 503;
  ngx.header["Content-Type"] = "application/json";
  ngx.header["Retry-After"] = "1";
  ngx.say(encodeJson({ error, message }));
  ngx.exit(503);
}
