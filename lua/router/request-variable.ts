import { hashText } from "../core/hash.ts";
import { parseSource } from "../core/request-source.ts";

/** The nginx variable that holds what a source such as `header:x-user-id` names; empty for no source. */
export function variableOf(text: string | undefined): string {
  const source = text !== undefined ? parseSource(text) : undefined;
  if (source === undefined) return "";
  if (source.from === "header") return `http_${string.gsub(string.lower(source.name), "-", "_")[0]}`;
  if (source.from === "cookie") return `cookie_${source.name}`;
  if (source.from === "query") return `arg_${source.name}`;
  return source.from === "path" ? "uri" : "remote_addr";
}

/** What names the user; a request that does not say so counts by its client address. */
export function readKey(variable: string): string {
  const key = ngx.var[variable];
  return key !== undefined && key !== "" ? key : (ngx.var["remote_addr"] ?? "");
}

export function readKeyHash(variable: string): number {
  return hashText(readKey(variable));
}
