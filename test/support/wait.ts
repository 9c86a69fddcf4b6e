import { setTimeout as delay } from "node:timers/promises";

/** Waits until a condition holds; fails, saying what was waited for, when it does not within the time. */
export async function waitFor(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 15_000,
): Promise<number> {
  const started = performance.now();
  while (!(await holds())) {
    if (performance.now() - started > timeoutMs) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await delay(20);
  }
  return performance.now() - started;
}
