import { sameServiceList } from "../core/service-list.ts";
import { checkSnapshot } from "../core/snapshot-check.ts";
import { judgeSnapshot, shrinks } from "../core/snapshot-order.ts";
import type { Peer, ServiceList, Snapshot } from "../core/types.ts";
import { countRejected, forgetPeer, forgetService } from "./counters.ts";
import { nowMs } from "./freshness.ts";
import { forgetHealth } from "./health.ts";
import { decodeJson } from "./json.ts";
import { markLastGoodChanged } from "./last-good.ts";
import { leadsStill } from "./leader.ts";
import { notice, warn } from "./log-line.ts";
import { endRetention, isRetaining, isRetentionOver, retain } from "./retention.ts";
import {
  currentPosition,
  headText,
  leftEpochs,
  readList,
  removeList,
  serviceNames,
  setPosition,
  setServiceNames,
  storeList,
} from "./routes.ts";

/**
 * What became of an answer: `applied`, `current` (nothing new in it), `held` (suspiciously short, until the next one
 * confirms it) or `refused`; the last leaves everything as it was.
 */
export type Outcome = "applied" | "current" | "held" | "refused";

/** A short list is confirmed by the next answer that has it as well, if that comes within this time. */
const CONFIRM_WITHIN_MS = 30_000;

/** After this many services a large snapshot lets the worker's event loop run. */
const SERVICES_PER_SLICE = 8;

const heldAtMs = new LuaMap<string, number>();
let lastRefusal = "";

/** Takes the body of an answer to a poll, or refuses it as a whole. Runs in a timer, since it may yield. */
export function applySnapshot(body: string): Outcome {
  const [value] = decodeJson(body);
  if (value === undefined) return refuse("not-json", "it is not JSON");
  const error = checkSnapshot(value);
  if (error !== undefined) return refuse("invalid", error);
  const snapshot = value as Snapshot;

  const current = currentPosition();
  const verdict = judgeSnapshot(current, leftEpochs(), snapshot);
  if (verdict === "current") return "current";
  if (verdict !== "take") {
    return refuse(verdict, `epoch ${snapshot.epoch}, revision ${string.format("%d", snapshot.revision)}`);
  }

  const sameEpoch = current?.epoch === snapshot.epoch;
  const endsRetention = snapshot.full && sameEpoch && isRetentionOver();
  const removed = removedServices(snapshot, sameEpoch, endsRetention);
  if (!isConfirmed(snapshot, removed)) return "held";
  // Another worker leads by now if this one stood still for long.
  if (!leadsStill()) return "current";

  let slice = 0;
  let renamed = false;
  let changed = !sameEpoch || current?.revision !== snapshot.revision;
  const headBefore = headText();
  const names = new LuaSet<string>();
  for (const name of serviceNames()) names.add(name);
  for (const [service, list] of pairs(snapshot.services)) {
    const [before] = readList(service);
    if (before === undefined || !sameServiceList(before, list)) {
      const [stored, storeError] = storeList(service, list);
      if (!stored)
        return refuse("no-memory", `no room for the list of ${service} (${storeError}): enlarge routectl_routes`);
      forgetGone(service, before, list.instances);
      changed = true;
    }
    if (!names.has(service)) renamed = true;
    names.add(service);
    slice++;
    if (slice % SERVICES_PER_SLICE === 0) {
      ngx.sleep(0);
      // Another worker may lead by now, and be further on.
      if (!leadsStill() || headText() !== headBefore) return "current";
    }
  }
  if (!leadsStill() || headText() !== headBefore) return "current";
  for (const service of removed) {
    const [before] = readList(service);
    removeList(service);
    forgetGone(service, before, []);
    forgetService(service);
    names.delete(service);
    renamed = true;
  }
  if (endsRetention) endRetention();
  if (renamed) {
    const [stored, storeError] = setServiceNames(sorted(names));
    if (!stored) return refuse("no-memory", `no room for the names of the services (${storeError})`);
  }
  lastRefusal = "";
  if (!changed && !renamed) return "current";
  setPosition(snapshot);
  markLastGoodChanged();
  return "applied";
}

function refuse(reason: string, detail: string): Outcome {
  countRejected(reason);
  const refusal = `${reason}: ${detail}`;
  // Once is enough: a broken replica sends the same answer again and again.
  // The checks have escaped what they quote of it.
  if (refusal !== lastRefusal) warn(`an answer of ipconfig was refused (${refusal}); the list in force stays`);
  lastRefusal = refusal;
  return "refused";
}

function removedServices(snapshot: Snapshot, sameEpoch: boolean, endsRetention: boolean): readonly string[] {
  if (!snapshot.full) return snapshot.removed;
  const missing: string[] = [];
  for (const name of serviceNames()) {
    if (snapshot.services[name] === undefined) missing.push(name);
  }
  if (missing.length > 0 && !sameEpoch) {
    retain();
    notice(`a new epoch without ${missing.length} services, such as ${missing[0]}: they stay for ten minutes`);
  }
  return isRetaining() && !endsRetention ? [] : missing;
}

/** Whether every short list in the snapshot was short in the answer before as well. */
function isConfirmed(snapshot: Snapshot, removed: readonly string[]): boolean {
  let confirmed = true;
  const look = (service: string, after: readonly Peer[]): void => {
    const [before] = readList(service);
    if (before === undefined || !shrinks(before.instances, after)) {
      heldAtMs.delete(service);
      return;
    }
    const heldAt = heldAtMs.get(service);
    if (heldAt !== undefined && nowMs() - heldAt < CONFIRM_WITHIN_MS) return;
    heldAtMs.set(service, nowMs());
    countRejected("shrinks");
    warn(`service ${service} lost more than half of its instances at once: held until the next answer confirms it`);
    confirmed = false;
  };
  for (const [service, list] of pairs(snapshot.services)) look(service, list.instances);
  for (const service of removed) look(service, []);
  if (confirmed) {
    for (const [service] of pairs(snapshot.services)) heldAtMs.delete(service);
    for (const service of removed) heldAtMs.delete(service);
  }
  return confirmed;
}

/** The metrics of peers that are gone disappear with them, and their ejections. */
function forgetGone(service: string, before: ServiceList | undefined, after: readonly Peer[]): void {
  if (before === undefined) return;
  const present = new LuaSet<string>();
  for (const peer of after) present.add(peer.id);
  for (const peer of before.instances) {
    if (present.has(peer.id)) continue;
    forgetPeer(service, peer.id);
    forgetHealth(service, peer);
  }
}

function sorted(names: LuaSet<string>): string[] {
  const list: string[] = [];
  for (const name of names) list.push(name);
  table.sort(list);
  return list;
}
