import { state } from "./dicts.ts";

const FRESH_AT = "freshAtMs";

/** Milliseconds since 1970 on nginx's clock, which moves with the event loop. */
export function nowMs(): number {
  return ngx.now() * 1000;
}

/** An ipconfig has given a good answer just now. */
export function markFresh(): void {
  state.set(FRESH_AT, nowMs());
}

/** Milliseconds since the last good answer of an ipconfig; huge when there was none since nginx started. */
export function listAgeMs(): number {
  return nowMs() - ((state.get(FRESH_AT) as number | undefined) ?? 0);
}
