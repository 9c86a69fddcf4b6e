import { setTimeout as delay } from "node:timers/promises";
import { type IOptions, isRecoverableError } from "etcd3";

type FaultHandling = NonNullable<IOptions["faultHandling"]>;
type Policy = NonNullable<FaultHandling["global"]>;

/** A channel that grpc-js is asked to close while it connects again would keep the process for a second more. */
const PAUSE_MS = 150;

/**
 * Asks another member, or the only one once more over a new connection, while there is time. etcd3's own policies try a
 * call that timed out three times more, and after three failures ask nobody for five seconds, even if etcd is back.
 * @param members how many there are
 * @param budgetMs how long a call may take, all attempts together
 */
export function faultHandling(members: number, budgetMs: number): FaultHandling {
  const askAgain = async <T>(ask: () => PromiseLike<T> | T): Promise<T> => {
    const deadline = performance.now() + budgetMs;
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
  return {
    global: { execute: askAgain } as unknown as Policy,
    host: () => ({ execute: async (ask: () => unknown) => ask() }) as unknown as Policy,
  };
}
