import { hashText } from "../core/hash.ts";
import { parseHashOn } from "../core/policy.ts";

/** The nginx variable from which a policy's hash key is read; empty when the policy names none. */
export function hashVariable(hashOn: string | undefined): string {
  const source = hashOn !== undefined ? parseHashOn(hashOn) : undefined;
  if (source === undefined) return "";
  if (source.from === "header") return `http_${string.gsub(string.lower(source.name), "-", "_")[0]}`;
  if (source.from === "cookie") return `cookie_${source.name}`;
  if (source.from === "query") return `arg_${source.name}`;
  return source.from === "path" ? "uri" : "remote_addr";
}

/** The hash of what names the user; a request that does not say so counts by its client address. */
export function readKeyHash(variable: string): number {
  const key = ngx.var[variable];
  return hashText(key !== undefined && key !== "" ? key : (ngx.var["remote_addr"] ?? ""));
}
