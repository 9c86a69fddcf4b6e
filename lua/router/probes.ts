import { pickPeer } from "../core/pick.ts";
import { isIdempotent } from "../core/retry.ts";
import { nowMs } from "./freshness.ts";
import { claimProbe, releasePeer, untilOf } from "./health.ts";
import type { PeerLoad } from "./loads.ts";
import type { RoutedRequest } from "./request.ts";
import type { EjectedPeer } from "./tables.ts";

/** A stream that was opened by way of a probe, and lives this long, says that its peer is healthy. */
const STREAM_LIVES_MS = 5000;

/** Without an answer for this long a probe keeps others from trying no more. */
const PATIENCE_MS = 10_000;

/** How much longer than its timeouts a probe may keep others from trying: the worker may have died with it. */
const SLACK_MS = 1000;

/** When a peer is due, and nobody may try it yet, it is looked at again after this. */
const LOOK_AGAIN_MS = 10;

/** Streams that try a peer, with their claims: a later request may have the same record. */
const streams: { request: RoutedRequest; claim: number }[] = [];

/**
 * An ejected peer whose time is over, for one request at a time. One that can be sent again does no harm where the peer
 * still fails; others try it only after as much time again in which none did.
 */
export function claimDueProbe(request: RoutedRequest, now: number): PeerLoad | undefined {
  const { table } = request;
  // Most requests come while nobody is due.
  if (now < table.nextProbeMs && table.nextProbeMs - now <= table.ejection.maxMs) return undefined;
  const harmless = !request.isStream && table.maxAttempts > 1 && isIdempotent(ngx.req.get_method());
  let next = now + table.ejection.maxMs;
  for (const peer of table.ejected) {
    const dueMs = dueAt(peer, table.ejection.maxMs, now);
    if (now < dueMs) {
      if (dueMs < next) next = dueMs;
      continue;
    }
    next = now + LOOK_AGAIN_MS;
    const { load } = peer;
    if (!harmless && now < dueMs + table.ejection.baseMs) continue;
    if (!wouldGoTo(request, load.id)) continue;
    const { connectMs, perTryMs } = table.timeouts;
    const patienceMs = Math.min(connectMs + perTryMs, PATIENCE_MS) + SLACK_MS;
    request.probe = claimProbe(load, patienceMs / 1000);
    if (request.probe === 0) continue;
    if (request.isStream) streams.push({ request, claim: request.probe });
    return load;
  }
  table.nextProbeMs = next;
  return undefined;
}

/** From when on a peer is tried. A probe that has failed since the table was built has put it off. */
function dueAt(peer: EjectedPeer, maxMs: number, now: number): number {
  if (now >= peer.untilMs) peer.untilMs = untilOf(peer.load) ?? peer.untilMs;
  // Further ahead than any ejection: the clock was set back.
  return peer.untilMs - now > maxMs ? now : peer.untilMs;
}

/** Filled anew for every pick. */
const pick = { keyHash: 0, random: 0, tried: [], triedCount: 0, loads: [], totalInFlight: 0, nowMs: 0 };

/**
 * Whether a request could go to an ejected peer if that was not ejected: other users have no business at an instance of a
 * subset, nor at one that holds somebody else's channel.
 */
function wouldGoTo(request: RoutedRequest, id: string): boolean {
  const { plans, planOfRule } = request.table.unejected!;
  const plan = plans[request.rule === 0 ? 0 : planOfRule[request.rule - 1]!]!;
  const place = plan.ids.indexOf(id);
  if (place < 0 || plan.algorithm !== "consistent-hash") return place >= 0;
  pick.keyHash = request.keyHash;
  return pickPeer(plan, pick) === place;
}

/** Releases the peers whose probing streams have lived long enough; to be called often. */
export function judgeProbingStreams(): void {
  if (streams.length === 0) return;
  const now = nowMs();
  for (let i = streams.length - 1; i >= 0; i--) {
    const { request, claim } = streams[i]!;
    if (request.probe === claim) {
      // (A session's first request claims before it goes anywhere.)
      if (request.load === undefined || now - request.attemptAtMs < STREAM_LIVES_MS) continue;
      request.probe = 0;
      releasePeer(request.table.service, request.load);
    }
    streams.splice(i, 1);
  }
}
