import { escapeText } from "../core/text.ts";

/** Writes a warning to nginx's error log. What came from outside must have gone through `escapeText`. */
export function warn(text: string): void {
  ngx.log(ngx.WARN, "routectl: ", text);
}

export function notice(text: string): void {
  ngx.log(ngx.NOTICE, "routectl: ", text);
}

/** A reason that another party gave, safe for a log line. */
export function escapeReason(reason: string | undefined): string {
  return escapeText(reason ?? "unknown");
}
