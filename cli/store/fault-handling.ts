import { setTimeout as delay } from "node:timers/promises";
import { GRPCDeadlineExceededError, type IOptions, isRecoverableError } from "etcd3";

type FaultHandling = NonNullable<IOptions["faultHandling"]>;
type Policy = NonNullable<FaultHandling["global"]>;
type Ask<T> = () => PromiseLike<T> | T;

/** A channel that grpc-js is asked to close while it connects again would keep the process for a second more. */
const PAUSE_MS = 150;

/**
 * Asks another member, or the only one once more over a new connection, while there is time. etcd3's own policies try a
 * call that timed out three times more, and after three failures ask nobody for five seconds, even if etcd is back.
 * @param members how many there are
 * @param budgetMs how long a call may take, all attempts together
 */
export function faultHandling(members: number, budgetMs: number): FaultHandling {
  const askAgain = async <T>(ask: Ask<T>, deadline: number): Promise<T> => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await ask();
      } catch (error) {
        const mayPass = error instanceof Error && isRecoverableError(error);
        if (!mayPass || attempt >= members || performance.now() + PAUSE_MS >= deadline) throw error;
        await delay(PAUSE_MS);
      }
    }
  };
  const askInTime = async <T>(ask: Ask<T>): Promise<T> => {
    const over = new AbortController();
    const timeout = delay(budgetMs, undefined, { signal: over.signal }).then(() => {
      throw new GRPCDeadlineExceededError(`no answer within ${budgetMs} ms`);
    });
    try {
      return await Promise.race([askAgain(ask, performance.now() + budgetMs), timeout]);
    } finally {
      timeout.catch(() => undefined);
      over.abort();
    }
  };
  return {
    global: { execute: askInTime } as unknown as Policy,
    host: () => ({ execute: async (ask: () => unknown) => ask() }) as unknown as Policy,
  };
}
