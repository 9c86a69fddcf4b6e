import { setTimeout as delay } from "node:timers/promises";
import { Pool } from "undici";

/** What became of one request. */
export interface Outcome {
  readonly at: number;
  /** 0 when there was no answer. */
  readonly status: number;
  /** The instance that answered, as the demo instances say it. */
  readonly instance: string;
}

/** Sends requests one after the other over some connections. @returns how many each instance answered */
export async function sendRequests(
  router: string,
  count: number,
  options: { path?: string; headers?: (index: number) => Record<string, string>; connections?: number } = {},
): Promise<{ instances: Record<string, number>; answers: string[]; failed: number }> {
  const connections = options.connections ?? 16;
  const pool = new Pool(router, { connections });
  const instances: Record<string, number> = {};
  const answers: string[] = [];
  let failed = 0;
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const outcome = await sendOne(pool, options.path ?? "/demo/", options.headers?.(index) ?? {});
      if (outcome.status !== 200) failed++;
      instances[outcome.instance] = (instances[outcome.instance] ?? 0) + 1;
      answers[index] = outcome.instance;
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
  await pool.close();
  return { instances, answers, failed };
}

/** Steady traffic in the background: a request every few milliseconds, whatever became of the ones before (open loop). */
export interface Traffic {
  /** Every outcome so far. */
  readonly outcomes: readonly Outcome[];
  stop(): Promise<readonly Outcome[]>;
}

export function startTraffic(router: string, perSecond: number, path = "/demo/"): Traffic {
  const pool = new Pool(router, { connections: 64 });
  const outcomes: Outcome[] = [];
  const underWay = new Set<Promise<void>>();
  let stopping = false;
  let stopped: Promise<void> | undefined;
  const loop = (async () => {
    const started = performance.now();
    for (let sent = 0; !stopping; sent++) {
      const request = sendOne(pool, path, {}).then((outcome) => {
        outcomes.push(outcome);
        underWay.delete(request);
      });
      underWay.add(request);
      const dueInMs = started + ((sent + 1) * 1000) / perSecond - performance.now();
      if (dueInMs > 0) await delay(dueInMs);
    }
  })();
  return {
    outcomes,
    stop: async () => {
      stopping = true;
      stopped ??= loop.then(() => Promise.all(underWay)).then(() => pool.close());
      await stopped;
      return outcomes;
    },
  };
}

/** What did not go well. */
export function failuresIn(outcomes: readonly Outcome[]): readonly Outcome[] {
  return outcomes.filter(({ status }) => status < 200 || status > 299);
}

/** Each instance's part of the answers, 0..1. */
export function sharesOf(outcomes: readonly Outcome[]): Record<string, number> {
  const shares: Record<string, number> = {};
  for (const { instance } of outcomes) shares[instance] = (shares[instance] ?? 0) + 1 / outcomes.length;
  return shares;
}

async function sendOne(pool: Pool, path: string, headers: Record<string, string>): Promise<Outcome> {
  const at = Date.now();
  try {
    const { statusCode: status, body } = await pool.request({ path, method: "GET", headers });
    const text = await body.text();
    return { at, status, instance: status === 200 ? (JSON.parse(text) as { instance: string }).instance : `${status}` };
  } catch (error) {
    return { at, status: 0, instance: (error as NodeJS.ErrnoException).code ?? "error" };
  }
}
