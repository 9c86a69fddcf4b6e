import { setTimeout as delay } from "node:timers/promises";
import type { RouterAt } from "./system.ts";

/** What a router said of itself at a moment. */
export interface RouterSample {
  /** Milliseconds of `performance.now()`. */
  readonly at: number;
  readonly router: string;
  readonly epoch: string;
  readonly revision: number;
  readonly workers: readonly { readonly worker: number; readonly epoch: string; readonly revision: number }[];
  /** What follows is about the service demo. */
  readonly mode: string;
  readonly weights: Readonly<Record<string, number>>;
  readonly states: Readonly<Record<string, string>>;
}

const INTERVAL_MS = 100;

interface StatusAnswer {
  epoch: string;
  revision: number;
  workers: { worker: number; epoch: string; revision: number }[];
}
interface ServiceAnswer {
  mode: string;
  peers: { id: string; weight: number; state: string }[];
}

/** @returns nothing when the router does not answer within a second */
export async function readRouter({ name, admin }: RouterAt): Promise<RouterSample | undefined> {
  const at = performance.now();
  try {
    const [status, service] = await Promise.all([
      read<StatusAnswer>(`${admin}/v1/status`),
      read<ServiceAnswer>(`${admin}/v1/services/demo`),
    ]);
    const { epoch, revision, workers } = status;
    const weights = Object.fromEntries(service.peers.map(({ id, weight }) => [id, weight]));
    const states = Object.fromEntries(service.peers.map(({ id, state }) => [id, state]));
    return { at, router: name, epoch, revision, mode: service.mode, workers, weights, states };
  } catch {
    return undefined;
  }
}

async function read<T>(url: string): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return (await response.json()) as T;
}

/** Looks at the routers ten times a second. */
export function watchRouters(routers: readonly RouterAt[]): {
  readonly samples: readonly RouterSample[];
  stop(): Promise<void>;
} {
  const samples: RouterSample[] = [];
  let stopping = false;
  const loops = routers.map(async (router) => {
    while (!stopping) {
      const sample = await readRouter(router);
      if (sample !== undefined) samples.push(sample);
      await delay(INTERVAL_MS);
    }
  });
  return {
    samples,
    stop: async () => {
      stopping = true;
      await Promise.all(loops);
    },
  };
}
