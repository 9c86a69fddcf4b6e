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

/**
 * How a peer is: `drained` is an override of weight 0, `down` is what its own status, or its silence, says, `ejected` is
 * what a router has seen of its answers.
 */
export type PeerState = "up" | "down" | "drained" | "ejected";

/** How much each feature of an instance takes off its score; see cli/ipconfig/scoring/model.ts. */
export interface ScoreCoefficients {
  readonly cpu: number;
  readonly memory: number;
  readonly latency: number;
  readonly errors: number;
  readonly inFlight: number;
}

/** How long the parts of a request may take, in milliseconds. */
export interface Timeouts {
  /** Until a connection to the instance is there: 1..60,000, default 1,000. */
  readonly connectMs?: number;
  /** Until an instance answers, and between two reads of its answer: 1..86,400,000; default an hour, since it may be a stream. */
  readonly perTryMs?: number;
  /** For all tries together; no other one begins after it. Absent: no limit but that of the tries. */
  readonly overallMs?: number;
  /** How long a stream (WebSocket, server-sent events, gRPC) may be silent, instead of `perTryMs`: default an hour. */
  readonly streamIdleMs?: number;
}

/** Which requests may be sent again. */
export interface Retries {
  /** Also methods that are not idempotent, such as POST; default false: they are sent again only if nothing was sent. */
  readonly nonIdempotent?: boolean;
  /** How many of a service's requests may be retries, in percent: 0..100, default 20. */
  readonly budgetPercent?: number;
}

/** When a router takes a peer out of traffic because of its answers, and for how long. */
export interface Ejection {
  /** This many failures in a row, in one worker: 0..1000, default 5; 0: never for this reason. */
  readonly consecutiveFailures?: number;
  /** This many in a row without any answer (refused, reset, timed out), in all workers: 0..1000, default 3; 0: never for this reason. */
  readonly unanswered?: number;
  /** This many of a hundred answers in some ten seconds, of at least twenty: 0..100, default 50; 0: never for this reason. */
  readonly errorPercent?: number;
  /** For how long the first time; it doubles each time: 100..3,600,000, default 2,000. */
  readonly baseMs?: number;
  /** 100..3,600,000, default 6,000. */
  readonly maxMs?: number;
  /** When more than this part of a service is ejected, nobody is: 0..100, default 50. */
  readonly maxEjectedPercent?: number;
}

/** What a request must have for a rule; exactly one of `equals`, `prefix` and `regex`. */
export interface RuleMatch {
  /** `header:NAME`, `cookie:NAME`, `query:NAME` or `path`. */
  readonly on: string;
  readonly equals?: string;
  readonly prefix?: string;
  /** See regex-check.ts for what may be in it. */
  readonly regex?: string;
}

/**
 * Sends some requests to a subset. The first rule that matches decides. Instances of a rule's subset get only what rules
 * send them; all other requests go to the rest.
 */
export interface Rule {
  /** Absent: any request. */
  readonly match?: RuleMatch;
  /** Only this part of the users, 0..100; rules without `match` take parts next to each other. */
  readonly percent?: number;
  /** What names the user for `percent`; default: the policy's `hashOn`, else the client's address. */
  readonly hashOn?: string;
  /** The metadata that an instance must have. */
  readonly subset: Readonly<Record<string, string>>;
}

/** A token bucket for each key. */
export interface Limit {
  /** As `hashOn`. */
  readonly key: string;
  /** Tokens a second, 0.001..1,000,000; a request takes one. */
  readonly rate: number;
  /** How many tokens a bucket holds: 1..1,000,000. */
  readonly burst: number;
}

/** Pins a session to an instance by a cookie that the router signs. */
export interface Sticky {
  /** The cookie's name. */
  readonly cookie: string;
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
  readonly timeouts?: Timeouts;
  readonly retries?: Retries;
  readonly ejection?: Ejection;
  readonly rules?: readonly Rule[];
  readonly limit?: Limit;
  readonly sticky?: Sticky;
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
