import { GRPCDeadlineExceededError, type IOptions, isRecoverableError } from "etcd3";

type FaultHandling = NonNullable<IOptions["faultHandling"]>;
type Policy = NonNullable<FaultHandling["global"]>;

/** A channel that grpc-js is asked to close while it connects again would keep the process for a second more. */
const PAUSE_MS = 150;

/**
 * Asks another member when one has failed, and beside one that takes its time: the first answer counts. A single member is
 * asked once more, over a new connection, when it has failed. etcd3's own policies try a call that timed out three times
 * more, and after three failures ask nobody for five seconds, even if etcd is back.
 * @param members how many there are
 * @param budgetMs how long a call may take, all attempts together
 */
export function faultHandling(members: number, budgetMs: number): FaultHandling {
  const patienceMs = members > 1 ? budgetMs / members : undefined;
  const askInTime = <T>(ask: () => PromiseLike<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      let isOver = false;
      let attempts = 0;
      let underWay = 0;
      let lastError: Error | undefined;
      let next: NodeJS.Timeout | undefined;
      const end = (settle: () => void): void => {
        isOver = true;
        clearTimeout(next);
        clearTimeout(timeout);
        settle();
      };
      const giveUp = (): void =>
        end(() => reject(lastError ?? new GRPCDeadlineExceededError(`no answer within ${budgetMs} ms`)));
      const timeout = setTimeout(giveUp, budgetMs);
      const failed = (error: Error): void => {
        underWay--;
        if (isOver) return;
        if (!isRecoverableError(error)) return end(() => reject(error));
        lastError = error;
        if (attempts <= members) askNext(PAUSE_MS);
        else if (underWay === 0) giveUp();
      };
      const attempt = (): void => {
        attempts++;
        underWay++;
        if (patienceMs !== undefined && attempts < members) askNext(patienceMs);
        ask().then((answer) => end(() => resolve(answer)), failed);
      };
      const askNext = (inMs: number): void => {
        clearTimeout(next);
        next = setTimeout(attempt, inMs);
      };
      attempt();
    });
  return {
    global: { execute: askInTime } as unknown as Policy,
    host: () => ({ execute: async (ask: () => unknown) => ask() }) as unknown as Policy,
  };
}
