import { noteApplied, reportIfDue } from "./acknowledge.ts";
import { flushCounters } from "./counters.ts";
import { answerIfAsked } from "./decision-answers.ts";
import { joinInFlight } from "./in-flight.ts";
import { markLastGoodChanged, writeLastGoodIfDue } from "./last-good.ts";
import { claimLead, isLeader, yieldLead } from "./leader.ts";
import { escapeReason, warn } from "./log-line.ts";
import { forgetOldAnswers } from "./outliers.ts";
import { startPolling } from "./poll.ts";
import { judgeProbingStreams } from "./probes.ts";
import { headText } from "./routes.ts";
import { refreshTables } from "./tables.ts";

const TICK_SECONDS = 0.05;
const FLUSH_SECONDS = 1;

/**
 * A collection begins when the memory in use has grown by a tenth since the last one, not when it has doubled: requests
 * leave next to nothing behind, but lists do, and what is taken from the system for them is not given back.
 */
const GARBAGE_PAUSE = 110;

let refreshedHead: string | undefined;
let flushedAt = 0;

/** Starts a worker's timer. nginx's helper processes have no worker id, and nothing to do. */
export function startWorker(): void {
  if (ngx.worker.id() === undefined) return;
  math.randomseed(randomSeed());
  collectgarbage("setpause", GARBAGE_PAUSE);
  joinInFlight();
  const [started, error] = ngx.timer.every(TICK_SECONDS, tick);
  if (!started) warn(`the worker's timer did not start: ${error}`);
}

function tick(this: void, premature: boolean): void {
  if (premature) {
    flushCounters();
    return yieldLead();
  }
  const [done, error] = pcall(work);
  if (!done) warn(`a tick failed: ${escapeReason(tostring(error))}`);
}

/** All that a worker does aside from requests; nothing here waits. */
function work(this: void): void {
  const head = headText();
  if (head !== refreshedHead) {
    refreshTables();
    refreshedHead = head;
  }
  noteApplied();
  judgeProbingStreams();
  answerIfAsked();
  const now = ngx.now();
  if (now - flushedAt >= FLUSH_SECONDS) {
    flushCounters();
    forgetOldAnswers();
    flushedAt = now;
  }
  // What the leader before has left unwritten is written by the next one.
  if (claimLead()) markLastGoodChanged();
  if (!isLeader()) return;
  startPolling();
  reportIfDue();
  writeLastGoodIfDue();
}

/** Unseeded, math.random draws the same numbers in every worker and after every reload. */
function randomSeed(): number {
  const [file] = io.open("/dev/urandom", "rb");
  if (file === undefined) return ngx.now() * 1000 + ngx.worker.pid();
  const bytes = file.read(4) as string;
  file.close();
  let seed = 0;
  for (let i = 1; i <= 4; i++) seed = seed * 256 + string.byte(bytes, i)!;
  return seed;
}
