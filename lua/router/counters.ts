import { counters } from "./dicts.ts";
import { BUCKETS } from "./histogram.ts";
import { toldInFlight } from "./in-flight.ts";
import { allServiceLoads, letGo } from "./loads.ts";

/**
 * Counters are kept in the worker and added to shared memory once a second, so that a request writes to no dict.
 *
 * Keys: `selections SERVICE PEER` · `responses SERVICE PEER CODE` · `codes` · `bucket SERVICE INDEX` ·
 * `seconds SERVICE` · `event SERVICE NAME` · `ejections SERVICE PEER` · `rejected REASON`.
 */
export function flushCounters(): void {
  for (const [service, load] of allServiceLoads()) {
    if (load.dirty) {
      load.dirty = load.inFlight > 0;
      for (const [event, count] of load.events) {
        counters.incr(`event ${service} ${event}`, count, 0);
        load.events.delete(event);
      }
      for (const [id, peer] of load.peers) {
        if (peer.selections > 0) counters.incr(`selections ${service} ${id}`, peer.selections, 0);
        peer.selections = 0;
        if (peer.inFlight !== peer.inFlightTold) toldInFlight(service, peer);
        for (const [code, count] of peer.responses) {
          rememberCode(code);
          counters.incr(`responses ${service} ${id} ${code}`, count, 0);
          peer.responses.delete(code);
        }
      }
      for (let bucket = 0; bucket <= BUCKETS.length; bucket++) {
        const count = load.buckets[bucket] ?? 0;
        if (count > 0) counters.incr(`bucket ${service} ${bucket}`, count, 0);
        load.buckets[bucket] = 0;
      }
      if (load.durationSum > 0) counters.incr(`seconds ${service}`, load.durationSum, 0);
      load.durationSum = 0;
      letGo(load);
    }
  }
}

/** What is counted of a service as a whole. */
export const EVENTS = ["retries", "retries-denied", "empty-subset", "limited", "overloaded"] as const;

export function countEjection(service: string, id: string): void {
  counters.incr(`ejections ${service} ${id}`, 1, 0);
}

/** A snapshot, or a part of one, was refused. */
export function countRejected(reason: string): void {
  counters.incr(`rejected ${reason}`, 1, 0);
  const reasons = knownWords("reasons");
  if (!reasons.includes(reason)) counters.set("reasons", table.concat([...reasons, reason], " "));
}

export function counted(key: string): number {
  return (counters.get(key) as number | undefined) ?? 0;
}

/** The status codes, or the reasons, that were counted so far. */
export function knownWords(key: "codes" | "reasons"): string[] {
  const words: string[] = [];
  const text = (counters.get(key) as string | undefined) ?? "";
  for (const [word] of string.gmatch(text, "%S+")) words[words.length] = word!;
  return words;
}

/** Lets go of the counters of a peer that has left the list. */
export function forgetPeer(service: string, id: string): void {
  counters.delete(`selections ${service} ${id}`);
  counters.delete(`ejections ${service} ${id}`);
  for (const code of knownWords("codes")) counters.delete(`responses ${service} ${id} ${code}`);
}

/** Lets go of the counters of a service that is gone. */
export function forgetService(service: string): void {
  for (let bucket = 0; bucket <= BUCKETS.length; bucket++) counters.delete(`bucket ${service} ${bucket}`);
  counters.delete(`seconds ${service}`);
  for (const event of EVENTS) counters.delete(`event ${service} ${event}`);
}

const seenCodes = new LuaSet<number>();

function rememberCode(code: number): void {
  if (seenCodes.has(code)) return;
  const codes = knownWords("codes");
  // Seen only when it is there: another worker may write its own at the same moment.
  if (codes.includes(`${code}`)) seenCodes.add(code);
  else counters.set("codes", table.concat([...codes, `${code}`], " "));
}
