import { Pool } from "undici";
import { USERS } from "./closed-loop.ts";

/**
 * A load at a fixed rate: a request is sent when its time has come, whether the ones before are answered or not. Its
 * latency counts from the moment of sending, waiting for a connection included, to the end of the answer.
 * @returns the latencies in milliseconds
 */
export async function openLoop(
  url: string,
  perSecond: number,
  seconds: number,
  connections: number,
): Promise<number[]> {
  const { origin, pathname: path } = new URL(url);
  const pool = new Pool(origin, { connections });
  const latencies: number[] = [];
  const send = async (user: number): Promise<void> => {
    const started = performance.now();
    const { statusCode, body } = await pool.request({ path, method: "GET", headers: { "x-user-id": `user-${user}` } });
    await body.dump();
    if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}`);
    latencies.push(performance.now() - started);
  };
  try {
    // So that no connection is opened while it counts.
    await Promise.all(Array.from({ length: connections * 4 }, (_, user) => send(user % USERS)));
    latencies.length = 0;
    await atRate(perSecond, seconds, (index) => send(index % USERS));
  } finally {
    await pool.close();
  }
  return latencies;
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
