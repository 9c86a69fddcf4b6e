/** The contract between ipconfig, the routers and the CLI: what a snapshot is made of. */

export const ALGORITHMS = [
  "adaptive",
  "weighted-random",
  "round-robin",
  "least-request",
  "consistent-hash",
  "best",
] as const;

/** How a service picks a peer for a request. */
export type Algorithm = (typeof ALGORITHMS)[number];

/** What is in force for a service as ipconfig sees it. */
export type ListMode = "normal" | "manual";

/** What is in force for a service in a router: `fallback` when no ipconfig has answered for a while. */
export type Mode = ListMode | "fallback";

/** How a peer is: `drained` is an override of weight 0, `down` is what its own status, or its silence, says. */
export type PeerState = "up" | "down" | "drained";

/** How much each feature of an instance takes off its score; see cli/ipconfig/scoring/model.ts. */
export interface ScoreCoefficients {
  readonly cpu: number;
  readonly memory: number;
  readonly latency: number;
  readonly errors: number;
  readonly inFlight: number;
}

/** How a service is balanced. */
export interface Policy {
  readonly algorithm: Algorithm;
  /** What names the user: `header:NAME`, `cookie:NAME`, `query:NAME`, `path` or `address`. */
  readonly hashOn?: string;
  /** How many peers one request may try, the first included: 1..10, default 3. */
  readonly maxAttempts?: number;
  /** Only so many instances, the best, get traffic by score. */
  readonly top?: number;
  /** Where instances serve their status over gRPC; an instance's metadata `statusPort` comes first. */
  readonly statusPort?: number;
  /** How long a new or returning instance takes to get its whole weight; default 10 s, 0 for at once. */
  readonly slowStartMs?: number;
  /** Other coefficients than the default ones; each 0..10. */
  readonly score?: Partial<ScoreCoefficients>;
}

/** A weight put there by hand. Times are milliseconds since 1970. */
export interface Override {
  readonly weight: number;
  readonly by: string;
  readonly reason: string;
  readonly at: number;
  /** Absent: until it is cleared. */
  readonly expiresAt?: number;
}

/** An instance as a router sees it; `address` is always an IP literal. */
export interface Peer {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  /** 1..65535 */
  readonly port: number;
  /** Registered weight, an integer 0..1000. */
  readonly baseWeight: number;
  /** 0..1, 1 is best; 0 is down. */
  readonly score: number;
  /** The weight in force, an integer 0..65535; 0 takes no new request. */
  readonly weight: number;
  readonly override?: Override;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A service and its instances, best first. */
export interface ServiceList {
  /** The etcd revision of the newest change that is in the list. */
  readonly version: number;
  readonly mode: ListMode;
  readonly policy: Policy;
  readonly instances: readonly Peer[];
}

/** What a router polls: everything (`full`), or what changed since the revision that it named. */
export interface Snapshot {
  readonly schema: 1;
  readonly epoch: string;
  readonly revision: number;
  readonly full: boolean;
  readonly services: Readonly<Record<string, ServiceList>>;
  readonly removed: readonly string[];
}

/** A place in the history of the etcd data. Revisions are comparable within one epoch only. */
export interface Position {
  readonly epoch: string;
  readonly revision: number;
}
