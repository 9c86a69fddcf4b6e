import type { Algorithm, Mode } from "../../lua/core/types.ts";
import { getJson, splitUrls } from "./http.ts";
import { fetchKnownService } from "./known-service.ts";
import { fetchStatus, routerAt } from "./router.ts";

/** One attempt of a request, as a router's flight recorder has it. */
export interface Decision {
  /** The router's name. */
  readonly router: string;
  readonly requestId: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The worker's process id. */
  readonly worker: number;
  readonly service: string;
  readonly mode: Mode;
  readonly panic: boolean;
  readonly algorithm: Algorithm;
  /** The number of the policy's rule that took the request, from 1; absent where none did. */
  readonly rule?: number;
  /** From 1. */
  readonly attempt: number;
  readonly peer: string;
  readonly reason: string;
  /** Absent while it is under way, and where there was no answer. */
  readonly status?: number;
  /** Absent while it is under way. */
  readonly tookMs?: number;
  readonly candidateCount: number;
  /** The first of them. */
  readonly candidates: readonly {
    readonly id: string;
    readonly weight: number;
    /** Only where the least cost was picked. */
    readonly cost?: number;
    readonly why: string;
  }[];
}

export interface DecisionQuery {
  readonly requestId?: string | undefined;
  readonly limit: number;
}

/**
 * The last decisions for a service in every given router, newest first.
 * @param urls of routers, separated by commas
 * @param tellSilent is told of each router that does not answer, while another one does
 * @throws `unknown-service`, with the nearest name; `router-unreachable` (exit 3) when no router answers
 */
export async function fetchDecisions(
  urls: string,
  service: string,
  { requestId, limit }: DecisionQuery,
  tellSilent: (url: string, message: string) => void,
): Promise<Decision[]> {
  await fetchKnownService(urls, service);
  const query = new URLSearchParams({
    service,
    limit: String(limit),
    ...(requestId === undefined ? {} : { requestId }),
  });
  const routers = splitUrls(routerAt(urls));
  const answers = await Promise.allSettled(
    routers.map(async (url) => {
      const remote = routerAt(url);
      const [{ node }, { value }] = await Promise.all([
        fetchStatus(remote),
        getJson<{ decisions: Omit<Decision, "router">[] }>(remote, `/v1/decisions?${query}`),
      ]);
      // Lua's tables have no order: what tells one from the other comes first.
      return value.decisions.map(({ at, requestId, attempt, peer, reason, ...rest }): Decision => {
        return { at, router: node, requestId, attempt, peer, reason, ...rest };
      });
    }),
  );
  const [firstSilent, ...otherSilent] = answers.filter((answer) => answer.status === "rejected");
  if (firstSilent !== undefined && otherSilent.length + 1 === answers.length) throw firstSilent.reason;
  answers.forEach((answer, at) => {
    if (answer.status === "rejected") tellSilent(routers[at]!, (answer.reason as Error).message);
  });
  const decisions = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  return decisions.sort((a, b) => b.at - a.at || b.attempt - a.attempt).slice(0, limit);
}
