import { Pool } from "undici";
import { atRate } from "./at-rate.ts";
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
    const total = Math.round(perSecond * seconds);
    const isOver = (sent: number): boolean => sent >= total;
    await atRate(perSecond, isOver, (index) => send(index % USERS));
  } finally {
    await pool.close();
  }
  return answers;
}
