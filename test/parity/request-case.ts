import { hashText } from "../../lua/core/hash.ts";
import type { Load, PickRequest } from "../../lua/core/pick-request.ts";

const NOW_MS = 1_700_000_000_000;

/** A request as a vector writes it; whatever is left out is as on an idle router. */
export interface RequestCase {
  readonly key?: string;
  /** By rule: what it looks at. */
  readonly values?: readonly string[];
  readonly random?: number;
  readonly tried?: readonly number[];
  readonly inFlight?: readonly number[];
  readonly totalInFlight?: number;
  /** By peer index, like `inFlight`, which has an entry for every peer that these are given for. */
  readonly latencyMs?: readonly number[];
  /** By peer index: how long ago the latency was measured. */
  readonly idleMs?: readonly number[];
}

/** @param bytes makes a byte string (see hash.ts) of a text */
export function pickRequest(given: RequestCase, bytes: (text: string) => string): PickRequest {
  const loads: Load[] = [];
  let totalInFlight = 0;
  for (const inFlight of given.inFlight ?? []) {
    const latencyMs = given.latencyMs?.[loads.length] ?? 0;
    const idleMs = given.idleMs?.[loads.length] ?? 0;
    loads[loads.length] = { inFlight, latencyMs, measuredAtMs: NOW_MS - idleMs };
    totalInFlight += inFlight;
  }
  const tried = given.tried ?? [];
  return {
    keyHash: hashText(bytes(given.key ?? "")),
    random: given.random ?? 0,
    tried,
    triedCount: tried.length,
    loads,
    totalInFlight: given.totalInFlight ?? totalInFlight,
    nowMs: NOW_MS,
  };
}
