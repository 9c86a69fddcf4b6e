import type { PeerLoad } from "./loads.ts";
import type { RoutedRequest } from "./request.ts";
import { settings } from "./settings.ts";
import type { RouteTable } from "./tables.ts";

/**
 * Sessions that are pinned to an instance by a cookie: `ID.SIGNATURE`, signed for the service, so that a client can't
 * choose an instance. (HMAC-SHA1, which nginx's Lua has; its weaknesses as a plain hash do not touch it.)
 */

/** The peer that the request's cookie names, if the peer still serves its sessions. */
export function pinnedPeer(request: RoutedRequest): PeerLoad | undefined {
  const { table, pool } = request;
  const id = sessionOf(table);
  if (id === undefined) return undefined;
  const peer = pool.indices.get(id);
  if (peer !== undefined) {
    request.tried[0] = peer;
    request.triedCount = 1;
    request.isPinned = true;
    return pool.loads[peer];
  }
  const drained = table.drained.get(id);
  request.isPinned = drained !== undefined;
  return drained;
}

/** Whether the request belongs to a session at a drained instance, which is served though new ones are not. */
export function isOfDrained(table: RouteTable): boolean {
  const id = table.stickyVariable === "" ? undefined : sessionOf(table);
  return id !== undefined && table.drained.has(id);
}

/** The id that the request's cookie names, if the signature is right. */
function sessionOf(table: RouteTable): string | undefined {
  const cookie = ngx.var[table.stickyVariable];
  if (cookie === undefined || cookie === "") return undefined;
  const [id] = string.match(cookie, "^([a-z0-9._-]+)%.[%w_-]+$");
  return id !== undefined && cookie === sessionCookie(table.service, id) ? id : undefined;
}

/** Sets the cookie for the instance that was chosen, unless the session is pinned to it already. */
export function setSessionCookie(request: RoutedRequest): void {
  const { table, chosen } = request;
  if (chosen === undefined || request.isPinned) return;
  const secure = ngx.var["scheme"] === "https" ? "; Secure" : "";
  const name = table.policy.sticky!.cookie;
  ngx.header["Set-Cookie"] =
    `${name}=${sessionCookie(table.service, chosen.id)}; Path=/; HttpOnly; SameSite=Lax${secure}`;
}

function sessionCookie(service: string, id: string): string {
  const signature = ngx.encode_base64(ngx.hmac_sha1(settings.stickySecret, `${service} ${id}`));
  return `${id}.${string.gsub(signature, "[+/=]", { "+": "-", "/": "_", "=": "" })[0]}`;
}
