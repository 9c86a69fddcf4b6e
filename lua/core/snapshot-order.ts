import type { Peer, Position } from "./types.ts";

/**
 * What to do with a snapshot: `take` it; `current`: nothing newer in it; `older`: from a replica that lags;
 * `left-epoch`: of an epoch that was left; `partial`: of a new epoch, but without all of its services.
 */
export type Verdict = "take" | "current" | "older" | "left-epoch" | "partial";

/**
 * Orders snapshots by (epoch, revision), so that a router that moves from one replica to another never goes back.
 * @param current where the router is; undefined when it has no list yet
 * @param leftEpochs epochs that the router has left for a newer one
 */
export function judgeSnapshot(
  current: Position | undefined,
  leftEpochs: readonly string[],
  snapshot: Position & { readonly full: boolean },
): Verdict {
  if (current !== undefined && current.epoch === snapshot.epoch) {
    if (snapshot.revision < current.revision) return "older";
    return snapshot.revision === current.revision && !snapshot.full ? "current" : "take";
  }
  for (const epoch of leftEpochs) {
    if (epoch === snapshot.epoch) return "left-epoch";
  }
  return snapshot.full ? "take" : "partial";
}

/**
 * Whether a new list is suspiciously short: empty, or without more than half of the instances that were there.
 * Such a list is taken only when the next poll confirms it.
 */
export function shrinks(before: readonly Peer[], after: readonly Peer[]): boolean {
  if (before.length === 0) return false;
  if (after.length === 0) return true;
  const present: Record<string, boolean> = {};
  for (const peer of after) present[peer.id] = true;
  let dropped = 0;
  for (const peer of before) {
    if (present[peer.id] !== true) dropped++;
  }
  return dropped * 2 > before.length;
}
