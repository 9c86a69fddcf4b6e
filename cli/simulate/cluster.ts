import type { ServerSetup, ServerState } from "./server.ts";

/** The servers of a simulation, and what happens to them. */
export interface Cluster {
  readonly servers: readonly ServerSetup[];
  /** In the order of their times. */
  readonly changes: readonly Change[];
  /** When something begins that should make the share of the affected servers fall soon. */
  readonly onsetMs?: number;
  /** Weights follow the servers' scores, this much later; undefined: they do not. */
  readonly scoreLagMs?: number;
}

/** Something that happens to a server. What is not named stays as it is. */
export interface Change {
  readonly atMs: number;
  /** Its place among the servers. */
  readonly server: number;
  readonly meanMs?: number;
  readonly state?: ServerState;
  readonly weight?: number;
  readonly isAffected?: boolean;
}

/** How many requests a second the servers that are on the list at first can serve. */
export function capacityOf({ servers }: Cluster): number {
  let perSecond = 0;
  for (const { slots, meanMs, weight } of servers) if (weight > 0) perSecond += (slots * 1000) / meanMs;
  return perSecond;
}
