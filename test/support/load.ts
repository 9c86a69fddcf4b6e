import { setTimeout as delay } from "node:timers/promises";
import { Pool } from "undici";

/** One request of a load. */
export interface LoadRequest {
  readonly method?: "GET" | "POST" | "PUT";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What became of it. */
export interface Answered {
  readonly index: number;
  /** When it was sent, in milliseconds since 1970. */
  readonly at: number;
  readonly ms: number;
  /** 0 when there was no answer. */
  readonly status: number;
  /** The instance that the answer names; empty where it names none. */
  readonly instance: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Requests at a steady rate, whatever became of the ones before (open loop). */
export interface Load {
  /** All that were answered so far, in the order of their answers. */
  readonly answers: readonly Answered[];
  /** Sends no more, and waits for what is under way. */
  stop(): Promise<readonly Answered[]>;
}

/** A machine that was busy for longer than this gets no burst of all the requests that were due meanwhile. */
const MOST_LATE_MS = 50;

/** @param request what to send, by its number from 0 */
export function startLoad(router: string, perSecond: number, request: (index: number) => LoadRequest): Load {
  const pool = new Pool(router, { connections: 128 });
  const answers: Answered[] = [];
  const underWay = new Set<Promise<void>>();
  let stopping = false;
  const loop = (async () => {
    let dueAt = performance.now();
    for (let index = 0; !stopping; index++) {
      const sent = send(pool, index, request(index)).then((answered) => {
        answers.push(answered);
        underWay.delete(sent);
      });
      underWay.add(sent);
      dueAt = Math.max(dueAt + 1000 / perSecond, performance.now() - MOST_LATE_MS);
      const waitMs = dueAt - performance.now();
      if (waitMs > 0) await delay(waitMs);
    }
  })();
  return {
    answers,
    stop: async () => {
      stopping = true;
      await loop;
      await Promise.all(underWay);
      await pool.close();
      return answers;
    },
  };
}

/** Sends so many requests over some connections, each when the one before is answered. @returns by number */
export async function sendAll(
  router: string,
  count: number,
  request: (index: number) => LoadRequest,
  connections = 16,
): Promise<Answered[]> {
  const pool = new Pool(router, { connections });
  const answers: Answered[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      answers[index] = await send(pool, index, request(index));
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
  await pool.close();
  return answers;
}

async function send(
  pool: Pool,
  index: number,
  { method = "GET", path, headers, body }: LoadRequest,
): Promise<Answered> {
  const at = Date.now();
  const started = performance.now();
  const done = (status: number, instance: string, answerHeaders: Answered["headers"]): Answered => ({
    index,
    at,
    ms: performance.now() - started,
    status,
    instance,
    headers: answerHeaders,
  });
  try {
    const answer = await pool.request({ method, path, headers: headers ?? {}, body: body ?? null });
    const text = await answer.body.text();
    const [, instance = ""] = /"instance":\s*"([^"]*)"/.exec(text) ?? [];
    return done(answer.statusCode, instance, answer.headers);
  } catch {
    return done(0, "", {});
  }
}

/** What did not go well. */
export function failed(answers: readonly Answered[]): readonly Answered[] {
  return answers.filter(({ status }) => status < 200 || status > 299);
}

/** An instance's part of the answers, 0..1. */
export function shareOf(answers: readonly Answered[], id: string): number {
  return answers.filter(({ instance }) => instance === id).length / Math.max(1, answers.length);
}
