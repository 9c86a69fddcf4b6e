import { Pool } from "undici";
import { USERS } from "./closed-loop.ts";

/** Times in milliseconds. */
export interface Answer {
  /** Since the load began. */
  readonly sentMs: number;
  readonly latencyMs: number;
}

/** @returns the latencies alone of `openLoopAnswers` */
export async function openLoop(
  url: string,
  perSecond: number,
  seconds: number,
  connections: number,
): Promise<number[]> {
  const answers = await openLoopAnswers(url, perSecond, seconds, connections);
  return answers.map(({ latencyMs }) => latencyMs);
}

/**
 * A load at a fixed rate: a request is sent when its time has come, whether the ones before are answered or not. Its
 * latency counts from the moment of sending, waiting for a connection included, to the end of the answer.
 * @param begins is called when the connections are there and the load begins
 */
export async function openLoopAnswers(
  url: string,
  perSecond: number,
  seconds: number,
  connections: number,
  begins: () => void = () => undefined,
): Promise<Answer[]> {
  const { origin, pathname: path } = new URL(url);
  const pool = new Pool(origin, { connections });
  const answers: Answer[] = [];
  let begunAt = 0;
  const send = async (user: number): Promise<void> => {
    const started = performance.now();
    const { statusCode, body } = await pool.request({ path, method: "GET", headers: { "x-user-id": `user-${user}` } });
    await body.dump();
    if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}`);
    answers.push({ sentMs: started - begunAt, latencyMs: performance.now() - started });
  };
  try {
    // So that no connection is opened while it counts.
    await Promise.all(Array.from({ length: connections * 4 }, (_, user) => send(user % USERS)));
    answers.length = 0;
    begunAt = performance.now();
    begins();
    await atRate(perSecond, seconds, (index) => send(index % USERS));
  } finally {
    await pool.close();
  }
  return answers;
}

/** Calls `act` so many times a second, on a timer's ticks of a millisecond, and waits for all of its ends. */
async function atRate(perSecond: number, seconds: number, act: (index: number) => Promise<void>): Promise<void> {
  const total = Math.round(perSecond * seconds);
  const started = performance.now();
  const acts: Promise<void>[] = [];
  let failure: { readonly error: unknown } | undefined;
  const note = (error: unknown): void => {
    failure ??= { error };
  };
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      const due = Math.min(total, Math.floor(((performance.now() - started) / 1000) * perSecond));
      while (acts.length < due) acts.push(act(acts.length).catch(note));
      if (acts.length < total && failure === undefined) setTimeout(tick, 1);
      else resolve();
    };
    tick();
  });
  await Promise.all(acts);
  if (failure !== undefined) throw failure.error;
}
