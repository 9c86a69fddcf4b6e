import { type EjectionSettings, ejectionMs, rememberedTimes } from "../../lua/core/ejection.ts";
import type { Random } from "./random.ts";

/**
 * Who is ejected, for all workers of one router: what lua/router/health.ts keeps in nginx's shared memory. By a peer's id;
 * times are on the workers' clock.
 */
export interface Health {
  /** Changes whenever somebody is ejected or released. */
  version: number;
  readonly untilMs: Map<string, number>;
  readonly times: Map<string, number>;
  readonly releasedMs: Map<string, number>;
  /** Until when the request that tries a peer keeps others from doing so. */
  readonly probingUntilMs: Map<string, number>;
  readonly unanswered: Map<string, { count: number; readonly sinceMs: number }>;
}

/** Requests without an answer are counted together that come within this time of the first; as in lua/router/health.ts. */
const UNANSWERED_MS = 10_000;

/** As in lua/router/probes.ts. */
const PROBE_PATIENCE_MS = 11_000;

export function createHealth(): Health {
  return {
    version: 0,
    untilMs: new Map(),
    times: new Map(),
    releasedMs: new Map(),
    probingUntilMs: new Map(),
    unanswered: new Map(),
  };
}

/** Leaves a peer out for a while; one that is ejected already stays so, unless it has just failed a probe. */
export function ejectPeer(
  health: Health,
  id: string,
  settings: EjectionSettings,
  probed: boolean,
  nowMs: number,
  random: Random,
): void {
  if (!probed && health.untilMs.has(id)) return;
  const before = health.times.get(id) ?? 0;
  const releasedMs = health.releasedMs.get(id);
  const times = releasedMs === undefined ? before : rememberedTimes(before, nowMs - releasedMs, settings);
  health.untilMs.set(id, nowMs + ejectionMs(times, random(), settings));
  health.times.set(id, times + 1);
  health.releasedMs.delete(id);
  health.probingUntilMs.delete(id);
  health.unanswered.delete(id);
  health.version++;
}

/** Lets a peer have traffic again. */
export function releasePeer(health: Health, id: string, nowMs: number): void {
  health.probingUntilMs.delete(id);
  if (!health.untilMs.delete(id)) return;
  health.releasedMs.set(id, nowMs);
  health.version++;
}

/** Whether a request may try an ejected peer: one at a time does. */
export function claimProbe(health: Health, id: string, nowMs: number): boolean {
  if ((health.probingUntilMs.get(id) ?? 0) > nowMs) return false;
  health.probingUntilMs.set(id, nowMs + PROBE_PATIENCE_MS);
  return true;
}

/** One more request has had no answer from a peer. @returns how many it were of late, in all workers */
export function addUnanswered(health: Health, id: string, nowMs: number): number {
  const known = health.unanswered.get(id);
  if (known === undefined || nowMs - known.sinceMs >= UNANSWERED_MS) {
    health.unanswered.set(id, { count: 1, sinceMs: nowMs });
    return 1;
  }
  known.count++;
  return known.count;
}
