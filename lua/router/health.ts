import { type EjectionSettings, ejectionMs, rememberedTimes } from "../core/ejection.ts";
import type { ServiceList } from "../core/types.ts";
import { countEjection } from "./counters.ts";
import { health } from "./dicts.ts";
import { nowMs } from "./freshness.ts";
import { notice, warn } from "./log-line.ts";

/** Who is ejected, in shared memory: what one worker has seen of a peer, all of them go by at once. */

/** A peer that nobody asks for is forgotten after this. */
const MEMORY_SECONDS = 3600;

/** Requests without an answer are counted together that come within this time of the first. */
const UNANSWERED_SECONDS = 10;

/** The key of the number that changes whenever somebody of a service is ejected or released. */
export function healthKey(service: string): string {
  return `version ${service}`;
}

/** That number; undefined while nobody of the service was ever ejected. */
export function healthVersion(key: string): number | undefined {
  return health.get(key) as number | undefined;
}

/** Until when each ejected peer of a list is not even tried, by id; undefined when there is none. */
export function ejectedUntilMs(service: string, list: ServiceList): Record<string, number> | undefined {
  if (healthVersion(healthKey(service)) === undefined) return undefined;
  let ejected: Record<string, number> | undefined;
  for (const { id } of list.instances) {
    const untilMs = health.get(`until ${service} ${id}`) as number | undefined;
    if (untilMs !== undefined) {
      ejected ??= {};
      ejected[id] = untilMs;
    }
  }
  return ejected;
}

/** Leaves a peer out for a while; one that is ejected already stays so, unless it has just failed a probe. */
export function ejectPeer(service: string, id: string, settings: EjectionSettings, why: string, probed: boolean): void {
  const peer = `${service} ${id}`;
  if (!probed && health.get(`until ${peer}`) !== undefined) return;
  const now = nowMs();
  const timesBefore = (health.get(`times ${peer}`) as number | undefined) ?? 0;
  const releasedMs = health.get(`released ${peer}`) as number | undefined;
  const times = releasedMs === undefined ? timesBefore : rememberedTimes(timesBefore, now - releasedMs, settings);
  const ms = ejectionMs(times, math.random(), settings);
  health.set(`until ${peer}`, now + ms, ms / 1000 + MEMORY_SECONDS);
  health.set(`times ${peer}`, times + 1, ms / 1000 + MEMORY_SECONDS);
  health.delete(`released ${peer}`);
  health.delete(`probe ${peer}`);
  health.delete(`unanswered ${peer}`);
  moveOn(service);
  countEjection(service, id);
  warn(`peer ${id} of ${service} is ejected for ${string.format("%.1f", ms / 1000)} s: ${why}`);
}

/** Lets a peer have traffic again. */
export function releasePeer(service: string, id: string): void {
  const peer = `${service} ${id}`;
  health.delete(`probe ${peer}`);
  if (health.get(`until ${peer}`) === undefined) return;
  health.delete(`until ${peer}`);
  health.set(`released ${peer}`, nowMs(), MEMORY_SECONDS);
  moveOn(service);
  notice(`peer ${id} of ${service} answers again`);
}

/** One more request has had no answer from a peer. Returns how many it were of late, in all workers. */
export function addUnanswered(service: string, id: string): number {
  const [count] = health.incr(`unanswered ${service} ${id}`, 1, 0, UNANSWERED_SECONDS);
  return count ?? 1;
}

export function forgetUnanswered(service: string, id: string): void {
  health.delete(`unanswered ${service} ${id}`);
}

/** Whether this request may try an ejected peer: one at a time does, for all workers. */
export function claimProbe(service: string, id: string, seconds: number): boolean {
  const [claimed] = health.add(`probe ${service} ${id}`, ngx.worker.pid(), seconds);
  return claimed;
}

/** A probe has ended without a verdict. */
export function endProbe(service: string, id: string): void {
  health.delete(`probe ${service} ${id}`);
}

/** A peer has left the list: whatever is registered under its id later begins anew. */
export function forgetHealth(service: string, id: string): void {
  const peer = `${service} ${id}`;
  for (const what of ["until", "times", "released", "probe", "unanswered"]) health.delete(`${what} ${peer}`);
}

/** A number that was evicted must not come back as one that a worker knows: it begins with the time. */
function moveOn(service: string): void {
  health.incr(healthKey(service), 1, nowMs());
}
