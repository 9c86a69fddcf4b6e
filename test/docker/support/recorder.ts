import { setTimeout as delay } from "node:timers/promises";
import { Pool } from "undici";
import { waitFor } from "../../support/wait.ts";
import type { System } from "./system.ts";
import { type RouterSample, watchRouters } from "./watch.ts";

/** What became of one request. */
export interface Outcome {
  /** When it was due, in milliseconds of `performance.now()`. */
  readonly at: number;
  readonly ms: number;
  readonly router: string;
  /** 0 where there was no answer. */
  readonly status: number;
  /** Who answered, or what went wrong. */
  readonly instance: string;
  /** How many instances the router has tried; 0 where it does not say. */
  readonly attempts: number;
}

/** Everything that happened while it ran; it is judged afterwards. */
export interface Recording {
  readonly outcomes: readonly Outcome[];
  readonly samples: readonly RouterSample[];
  /** Waits until a router sample fulfils a condition. @returns when that sample was taken */
  seen(what: string, holds: (sample: RouterSample) => boolean, since: number, timeoutMs?: number): Promise<number>;
  stop(): Promise<void>;
}

/** Of both routers together. */
export const PER_SECOND = 300;
/** An answer that takes longer is none. */
const PATIENCE_MS = 5000;
const WARM_UP_REQUESTS = 150;

/** Steady open-loop traffic through both routers by turns, and a watch on them. */
export async function startRecording(system: System, path = "/demo/"): Promise<Recording> {
  const pools = system.routers.map(({ name, url }) => ({ name, pool: new Pool(url, { connections: 128 }) }));
  const watch = watchRouters(system.routers);
  const outcomes: Outcome[] = [];
  const underWay = new Set<Promise<void>>();
  let stopping = false;
  let stopped: Promise<void> | undefined;
  const loop = (async () => {
    const started = performance.now();
    for (let sent = 0; !stopping; sent++) {
      const { name, pool } = pools[sent % pools.length]!;
      const request = sendOne(pool, path, name).then((outcome) => {
        outcomes.push(outcome);
        underWay.delete(request);
      });
      underWay.add(request);
      const dueInMs = started + ((sent + 1) * 1000) / PER_SECOND - performance.now();
      if (dueInMs > 0) await delay(dueInMs);
    }
  })();
  const recording: Recording = {
    outcomes,
    samples: watch.samples,
    seen: async (what, holds, since, timeoutMs = 15_000) => {
      let found: RouterSample | undefined;
      await waitFor(
        what,
        () => {
          found = watch.samples.find((sample) => sample.at >= since && holds(sample));
          return found !== undefined;
        },
        timeoutMs,
      );
      return found!.at;
    },
    stop: async () => {
      stopping = true;
      stopped ??= loop
        .then(() => Promise.all(underWay))
        .then(() => Promise.all([watch.stop(), ...pools.map(({ pool }) => pool.destroy())]))
        .then(() => undefined);
      await stopped;
    },
  };
  await waitFor("traffic to flow", () => outcomes.length > WARM_UP_REQUESTS);
  return recording;
}

async function sendOne(pool: Pool, path: string, router: string): Promise<Outcome> {
  const at = performance.now();
  const outcome = (status: number, instance: string, attempts: number): Outcome => {
    return { at, ms: performance.now() - at, router, status, instance, attempts };
  };
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const { statusCode, headers, body } = await pool.request({ path, method: "GET", signal });
    const text = await body.text();
    const attempts = Number(headers["x-routectl-attempts"] ?? 0);
    const instance = statusCode === 200 ? (JSON.parse(text) as { instance: string }).instance : `${statusCode}`;
    return outcome(statusCode, instance, attempts);
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException;
    return outcome(0, code ?? name, 0);
  }
}
