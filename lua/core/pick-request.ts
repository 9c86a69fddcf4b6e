/** What a worker has under way at a peer: finite numbers. */
export interface Load {
  readonly inFlight: number;
  /** As of `measuredAtMs`; see latency.ts. */
  readonly latencyMs: number;
  readonly measuredAtMs: number;
}

/** What a pick depends on besides the plan. The router keeps one of these and fills it anew for every pick. */
export interface PickRequest {
  /** `hashText` of what names the user; only consistent-hash reads it. */
  readonly keyHash: number;
  /** 0 <= random < 1 */
  readonly random: number;
  /** Indices of peers that this request must not go to: the first `triedCount` entries. */
  readonly tried: readonly number[];
  readonly triedCount: number;
  /** By peer index; empty for an answer that does not depend on load. */
  readonly loads: readonly Load[];
  readonly totalInFlight: number;
  /** On the clock of the loads' `measuredAtMs`. */
  readonly nowMs: number;
}

/** Whether this request must not go to a peer any more. */
export function wasTried(peer: number, request: PickRequest): boolean {
  for (let i = 0; i < request.triedCount; i++) {
    if (request.tried[i] === peer) return true;
  }
  return false;
}
