import { state } from "./dicts.ts";
import { nowMs } from "./freshness.ts";

/**
 * A new epoch says that etcd's data are others. Where they were lost, and every ipconfig that had them was restarted, teams
 * register their services anew, one after the other: those that are not there yet stay, as an ipconfig that was not
 * restarted keeps them. After this time whatever no ipconfig names is let go.
 */
const RETAIN_MS = 600_000;

const UNTIL = "retainUntilMs";

/** Begins to keep what is missing. */
export function retain(): void {
  state.set(UNTIL, nowMs() + RETAIN_MS);
}

/** Whether some services may be there only because they are kept. */
export function isRetaining(): boolean {
  return state.get(UNTIL) !== undefined;
}

/** Whether their time is over, so that everything has to be asked for. */
export function isRetentionOver(): boolean {
  const until = state.get(UNTIL) as number | undefined;
  if (until === undefined) return false;
  const leftMs = until - nowMs();
  // (More than there was at first: the clock was set back.)
  return leftMs <= 0 || leftMs > RETAIN_MS;
}

export function endRetention(): void {
  state.delete(UNTIL);
}
