import { type EjectionSettings, ejectionMs, rememberedTimes } from "../core/ejection.ts";
import type { Peer, ServiceList } from "../core/types.ts";
import { countEjection } from "./counters.ts";
import { health } from "./dicts.ts";
import { nowMs } from "./freshness.ts";
import type { PeerLoad } from "./loads.ts";
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

/** What a peer's keys end with. An instance that comes back at another address is another one. */
export function placeOf(service: string, { id, address, port }: Peer): string {
  return `${service} ${id} ${address}:${port}`;
}

/** Until when each ejected peer of a list is not even tried, by id; undefined when there is none. */
export function ejectedUntilMs(service: string, list: ServiceList): Record<string, number> | undefined {
  if (healthVersion(healthKey(service)) === undefined) return undefined;
  let ejected: Record<string, number> | undefined;
  for (const peer of list.instances) {
    const untilMs = health.get(`until ${placeOf(service, peer)}`) as number | undefined;
    if (untilMs !== undefined) {
      ejected ??= {};
      ejected[peer.id] = untilMs;
    }
  }
  return ejected;
}

/** The same for one peer. */
export function untilOf(load: PeerLoad): number | undefined {
  return health.get(`until ${load.place}`) as number | undefined;
}

/** Leaves a peer out for a while; one that is ejected already stays so, unless it has just failed a probe. */
export function ejectPeer(
  service: string,
  load: PeerLoad,
  settings: EjectionSettings,
  why: string,
  probed: boolean,
): void {
  const { id, place } = load;
  const isEjected = untilOf(load) !== undefined;
  if (isEjected && !probed) return;
  const now = nowMs();
  const timesBefore = (health.get(`times ${place}`) as number | undefined) ?? 0;
  const releasedMs = health.get(`released ${place}`) as number | undefined;
  const times = releasedMs === undefined ? timesBefore : rememberedTimes(timesBefore, now - releasedMs, settings);
  const ms = ejectionMs(times, math.random(), settings);
  health.set(`until ${place}`, now + ms, ms / 1000 + MEMORY_SECONDS);
  health.set(`times ${place}`, times + 1, ms / 1000 + MEMORY_SECONDS);
  health.delete(`released ${place}`);
  health.delete(`probe ${place}`);
  health.delete(`unanswered ${place}`);
  // Who is left out has not changed by a probe that failed: no table needs to be built anew for it.
  if (!isEjected) moveOn(service);
  countEjection(service, id);
  warn(`peer ${id} of ${service} is ejected for ${string.format("%.1f", ms / 1000)} s: ${why}`);
}

/** Lets a peer have traffic again. */
export function releasePeer(service: string, load: PeerLoad): void {
  const { id, place } = load;
  health.delete(`probe ${place}`);
  health.delete(`until ${place}`);
  health.set(`released ${place}`, nowMs(), MEMORY_SECONDS);
  // Also where the dict has lost the ejection: the tables still have it.
  moveOn(service);
  notice(`peer ${id} of ${service} answers again`);
}

/** One more request has had no answer from a peer. Returns how many it were of late, in all workers. */
export function addUnanswered(load: PeerLoad): number {
  const [count] = health.incr(`unanswered ${load.place}`, 1, 0, UNANSWERED_SECONDS);
  return count ?? 1;
}

export function forgetUnanswered(load: PeerLoad): void {
  health.delete(`unanswered ${load.place}`);
}

/**
 * Claims to be the one request, of all workers, that tries an ejected peer.
 * @returns what the claim is known by; 0 when there is another one
 */
export function claimProbe(load: PeerLoad, seconds: number): number {
  const claim = math.random();
  const [claimed] = health.add(`probe ${load.place}`, claim, seconds);
  return claimed ? claim : 0;
}

/** Whether a claim is in force: one that took too long may have lost it to another request. */
export function holdsProbe(load: PeerLoad, claim: number): boolean {
  return health.get(`probe ${load.place}`) === claim;
}

/** A probe has ended without a verdict. */
export function endProbe(load: PeerLoad, claim: number): void {
  if (holdsProbe(load, claim)) health.delete(`probe ${load.place}`);
}

/** A peer has left the list: what is registered in its place later begins anew. */
export function forgetHealth(service: string, peer: Peer): void {
  const place = placeOf(service, peer);
  for (const what of ["until", "times", "released", "probe", "unanswered"]) health.delete(`${what} ${place}`);
}

/** A number that was evicted must not come back as one that a worker knows: it begins with the time. */
function moveOn(service: string): void {
  health.incr(healthKey(service), 1, nowMs());
}
