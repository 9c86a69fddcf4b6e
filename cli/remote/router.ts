import type { Explanation } from "../../lua/core/explain.ts";
import type { Algorithm, Mode, Override, PeerState, Policy } from "../../lua/core/types.ts";
import { getJson, type Remote, wrongPart } from "./http.ts";

/** `GET /v1/services/NAME`: what a router really uses. */
export interface RouterService {
  readonly service: string;
  readonly mode: Mode;
  readonly algorithm: Algorithm;
  readonly epoch: string;
  readonly revision: number;
  readonly listAgeMs: number | null;
  /** Whether ejections are ignored, because too many peers are ejected. */
  readonly panic: boolean;
  readonly policy: Policy;
  readonly peers: readonly {
    id: string;
    address: string;
    port: number;
    baseWeight: number;
    score: number;
    weight: number;
    share: number;
    state: PeerState;
    inFlight: number;
    override: (Omit<Override, "expiresAt"> & { expiresAt: number | null }) | null;
    metadata: Record<string, string>;
  }[];
}

/** `GET /v1/status` */
export interface RouterStatus {
  readonly node: string;
  readonly version: string;
  readonly mode: Mode;
  readonly epoch: string | null;
  readonly revision: number | null;
  readonly listAgeMs: number | null;
  readonly services: number;
  readonly leaderPid: number | null;
  readonly workerCount: number;
  readonly ipconfig: string | null;
  readonly ipconfigError: string | null;
  readonly ipconfigUrls: readonly string[];
  readonly workers: readonly { worker: number; pid: number; epoch: string; revision: number }[];
}

export type RouterExplanation = Omit<Explanation, "peer" | "rule"> & {
  service: string;
  key: string;
  revision: number | null;
  peer: string | null;
  /** The number of the policy's rule that takes the key, from 1. */
  rule: number | null;
};

export function routerAt(urls: string): Remote {
  return { part: "router", urls, hint: "start nginx, or name a router's admin API with --router URL" };
}

export async function fetchService(remote: Remote, service: string): Promise<RouterService> {
  const { value, url } = await getJson<RouterService>(remote, `/v1/services/${service}`);
  // An ipconfig answers there, too.
  if (!Array.isArray(value.peers)) throw wrongPart(remote, url, "it lists no peers");
  return value;
}

export async function fetchServiceNames(remote: Remote): Promise<string[]> {
  const { value } = await getJson<{ services: { service: string }[] }>(remote, "/v1/services");
  return value.services.map(({ service }) => service);
}

export async function fetchStatus(remote: Remote): Promise<RouterStatus> {
  return (await getJson<RouterStatus>(remote, "/v1/status")).value;
}

export async function fetchExplanation(remote: Remote, service: string, key: string): Promise<RouterExplanation> {
  const path = `/v1/services/${service}/explain?key=${encodeURIComponent(key)}`;
  return (await getJson<RouterExplanation>(remote, path)).value;
}
