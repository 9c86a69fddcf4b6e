import { applySnapshot, type Outcome } from "./apply.ts";
import { state } from "./dicts.ts";
import { markFresh } from "./freshness.ts";
import { httpRequest } from "./http-client.ts";
import { isLeader, leadsStill } from "./leader.ts";
import { escapeReason, notice, warn } from "./log-line.ts";
import { isRetentionOver } from "./retention.ts";
import { currentPosition } from "./routes.ts";
import { settings } from "./settings.ts";

/** How long an ipconfig may hold a poll that has nothing new. */
const HOLD_MS = 2000;

/** The whole poll, connection and body included: short enough to try another replica before the list counts as stale. */
const DEADLINE_MS = 3500;

const FIRST_BACKOFF_MS = 50;
/** With the second that a connection may take, less than the two within which a router is fresh again. */
const MOST_BACKOFF_MS = 700;

/** A replica that answers at once though it has nothing new is asked this often at most. */
const IDLE_INTERVAL_MS = 200;

let polling = false;
let urlIndex = 0;
let failures = 0;
let lastError = "";

/** Begins to poll, unless a poll is under way in this worker. For the refresh leader. */
export function startPolling(): void {
  if (polling) return;
  polling = true;
  schedule(0);
}

/** Each poll is a timer of its own: a handler that never ends would never give its memory back. */
function schedule(delayMs: number): void {
  const [scheduled] = ngx.timer.at(delayMs / 1000, poll);
  if (!scheduled) polling = false;
}

function poll(this: void, premature: boolean): void {
  if (premature || ngx.worker.exiting() || !isLeader()) {
    polling = false;
    return;
  }
  const [done, result] = pcall(pollOnce);
  if (done) return schedule(result as number);
  warn(`a poll failed: ${escapeReason(tostring(result))}`);
  schedule(MOST_BACKOFF_MS);
}

/** Asks one replica, and says after how many milliseconds to ask again. */
function pollOnce(this: void): number {
  const target = settings.urls[urlIndex]!;
  const position = isRetentionOver() ? undefined : currentPosition();
  const since =
    position === undefined ? "" : `&epoch=${position.epoch}&revision=${string.format("%d", position.revision)}`;
  const startedAt = ngx.now();
  // After a failure the first answer comes at once, so that it is known that ipconfig is back.
  const [response, error] = httpRequest(
    "GET",
    target,
    `/v1/snapshot?waitMs=${failures > 0 ? 0 : HOLD_MS}&router=${settings.node}${since}`,
    undefined,
    DEADLINE_MS,
  );
  // While the answer was on its way another worker may have taken over: its answers are the newer ones.
  if (!leadsStill()) return 0;
  if (response === undefined) return failed(target.url, error ?? "no answer");
  let outcome: Outcome = "current";
  if (response.status === 200) outcome = applySnapshot(response.body);
  else if (response.status !== 304) return failed(target.url, `it answered ${response.status}`);
  if (outcome === "refused") return failed(target.url, "its answer was refused");

  succeeded(target.url);
  if (outcome === "held") return IDLE_INTERVAL_MS;
  // A replica that has lost etcd can't know what is new: the next one may.
  const stale = string.find(response.head, "\nx%-routectl%-etcd: *disconnected")[0] !== undefined;
  if (stale) nextUrl();
  const tookMs = (ngx.now() - startedAt) * 1000;
  return outcome === "applied" || tookMs > IDLE_INTERVAL_MS ? 0 : jitter(IDLE_INTERVAL_MS);
}

function succeeded(url: string): void {
  markFresh();
  if (lastError !== "") notice(`ipconfig ${url} answers`);
  lastError = "";
  failures = 0;
  state.set("ipconfig", url);
  state.delete("ipconfigError");
}

function failed(url: string, error: string): number {
  const text = `ipconfig ${url} does not serve: ${escapeReason(error)}`;
  if (text !== lastError) warn(text);
  lastError = text;
  state.set("ipconfigError", text);
  failures++;
  nextUrl();
  if (failures < settings.urls.length) return jitter(FIRST_BACKOFF_MS);
  const doublings = Math.min(10, failures - settings.urls.length);
  return jitter(Math.min(MOST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** doublings));
}

function nextUrl(): void {
  urlIndex = (urlIndex + 1) % settings.urls.length;
}

/** Between half of a delay and all of it, so that many routers do not ask at the same moment. */
function jitter(delayMs: number): number {
  return delayMs * (0.5 + math.random() / 2);
}
