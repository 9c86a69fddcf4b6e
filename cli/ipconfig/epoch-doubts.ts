import type { Acknowledgement, RouterReport } from "./routers.ts";

/** What makes us doubt that our epoch is still the right one: routers know what etcd had before it was restored. */
export interface EpochDoubts {
  /** A router asks for what is newer than a revision that we have not got. */
  onAhead(node: string, revision: number): void;
  /** A router reports which epochs it has left. */
  onReport(report: Acknowledgement): void;
}

/** A new epoch makes every router take everything anew: not more often than this. */
const INTERVAL_MS = 5000;

/** What the doubts are settled by. */
export interface DoubtOptions {
  epoch(): string | undefined;
  routers(): RouterReport[];
  /** Asks etcd now for its newest revision. */
  newestRevision(): Promise<number>;
  /** Asks etcd now for the epoch that it holds. */
  epochInEtcd(): Promise<string | undefined>;
  /** A doubt was right: a new epoch has to begin. */
  leave(epoch: string, why: string): void;
}

export function createEpochDoubts(options: DoubtOptions): EpochDoubts {
  let askedAt = Number.NEGATIVE_INFINITY;

  const leaveIf = (why: string, confirm: (epoch: string) => Promise<boolean>): void => {
    const epoch = options.epoch();
    if (epoch === undefined || performance.now() - askedAt < INTERVAL_MS) return;
    askedAt = performance.now();
    confirm(epoch).then(
      (confirmed) => {
        if (confirmed && options.epoch() === epoch) options.leave(epoch, why);
      },
      // Without etcd nothing can be settled; the doubt comes again.
      () => undefined,
    );
  };

  return {
    onAhead: (node, revision) => {
      // Only what a router has reported that it applies counts: anyone may name a revision.
      const workers = options.routers().find((router) => router.node === node)?.workers ?? [];
      if (!workers.some((worker) => worker.epoch === options.epoch() && worker.revision >= revision)) return;
      leaveIf("a router has seen newer data than etcd has", async () => (await options.newestRevision()) < revision);
    },
    onReport: ({ leftEpochs }) => {
      if (!leftEpochs.includes(options.epoch() ?? "")) return;
      leaveIf("a router has left this epoch before", async (epoch) => (await options.epochInEtcd()) === epoch);
    },
  };
}
