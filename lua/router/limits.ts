import { fullAfterRequest, isAdmitted, resetSeconds, retryAfterSeconds, tokensLeft } from "../core/token-bucket.ts";
import type { Limit } from "../core/types.ts";
import { limits } from "./dicts.ts";
import { nowMs } from "./freshness.ts";
import { readKey } from "./request-variable.ts";
import type { RouteTable } from "./tables.ts";

/** What the dict keeps time in; less would mean for ever. */
const LEAST_SECONDS = 0.001;

/**
 * Takes a token for the request from its key's bucket, and says in headers how many are left. Buckets are in a dict of
 * their own, each until it is full again; when there are more than it has room for, those longest unused go first.
 * @returns 0, or the seconds after which to ask again
 */
export function takeToken(table: RouteTable, limit: Limit): number {
  const now = nowMs();
  // The digest keeps keys short, however long what a client sends is.
  const bucket = ngx.md5_bin(`${table.service} ${readKey(table.limitVariable)}`);
  const fullAt = (limits.get(bucket) as number | undefined) ?? 0;
  const next = fullAfterRequest(fullAt, now, limit);
  const admitted = isAdmitted(next, now, limit);
  if (admitted) limits.set(bucket, next, Math.max(LEAST_SECONDS, (next - now) / 1000));
  const stands = admitted ? next : fullAt;
  ngx.header["RateLimit-Limit"] = string.format("%d", limit.burst);
  ngx.header["RateLimit-Remaining"] = string.format("%d", tokensLeft(stands, now, limit));
  ngx.header["RateLimit-Reset"] = string.format("%d", resetSeconds(stands, now));
  return admitted ? 0 : retryAfterSeconds(next, now, limit);
}
