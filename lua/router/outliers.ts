import { failsInARow, failsTooOften } from "../core/ejection.ts";
import { nowMs } from "./freshness.ts";
import { addUnanswered, ejectPeer, forgetUnanswered } from "./health.ts";
import { allServiceLoads, forgetFailures, type PeerLoad } from "./loads.ts";
import type { RouteTable } from "./tables.ts";

/** What is left of the counts of answers after a second: they reach back some ten seconds. */
const KEPT_PER_SECOND = 0.9;

/** Below this a count is nothing. */
const NOTHING = 0.01;

/**
 * A peer whose last attempt has failed, but that is not ejected, is tried again after as long as a first ejection takes.
 * Its latency alone would keep requests away for longer than ejections do, and so keep it from being ejected.
 */
const SUSPECTED_MS = 2000;

/** A peer has answered as it should. */
export function noteSuccess(load: PeerLoad): void {
  load.answers++;
  if (load.consecutiveFailures === 0) return;
  load.consecutiveFailures = 0;
  if (load.unanswered > 0) forgetUnanswered(load);
  load.unanswered = 0;
}

/** A peer has failed; when it has done so often enough it is ejected. */
export function noteFailure(table: RouteTable, load: PeerLoad, isUnanswered: boolean): void {
  const { ejection } = table;
  load.answers++;
  load.failures++;
  load.consecutiveFailures++;
  // Balancing by load leaves few requests to a peer that does not answer: what each worker sees is added up.
  load.unanswered = isUnanswered ? addUnanswered(load) : 0;
  let why: string | undefined;
  if (failsInARow(load, ejection)) {
    const answered = load.unanswered < load.consecutiveFailures;
    why = answered ? `${load.consecutiveFailures} failures in a row` : `${load.unanswered} requests without an answer`;
  } else if (failsTooOften(load.answers, load.failures, ejection)) {
    why = `${string.format("%.0f", (load.failures * 100) / load.answers)} % of its last answers were failures`;
  }
  if (why === undefined) return;
  forgetFailures(load);
  ejectPeer(table.service, load, ejection, why, false);
}

/** Forgets a part of what was counted; to be called once a second. */
export function forgetOldAnswers(): void {
  const now = nowMs();
  for (const [, service] of allServiceLoads()) {
    if (service.requests > 0 || service.retries > 0) {
      service.requests = kept(service.requests);
      service.retries = kept(service.retries);
      for (const [, load] of service.peers) {
        load.answers = kept(load.answers);
        load.failures = kept(load.failures);
        if (load.consecutiveFailures > 0 && now - load.measuredAtMs >= SUSPECTED_MS) load.latencyMs = 0;
      }
    }
  }
}

function kept(count: number): number {
  return count < NOTHING ? 0 : count * KEPT_PER_SECOND;
}
