import { type Acknowledgement, MAX_ROUTERS, ROUTER_EXPIRY_MS, type RouterReport } from "./routers.ts";

/** What makes us doubt that our epoch is still the right one: routers know what etcd had before it was restored. */
export interface EpochDoubts {
  /** A router asks for lists, and says of which epoch those are that it has. */
  onPoll(node: string, epoch: string | undefined): void;
  /** A router asks for what is newer than a revision that we have not got. */
  onAhead(node: string, revision: number): void;
  /** A router reports which epochs it has left. */
  onReport(node: string, report: Acknowledgement): void;
}

/** etcd is not asked more often than this. */
const ASK_INTERVAL_MS = 5000;

/** A new epoch makes every router take everything anew, and anyone who reaches us may report: not more often than this. */
const LEAVE_INTERVAL_MS = 60_000;

/** What the doubts are settled by. */
export interface DoubtOptions {
  /** Milliseconds on the steady clock. */
  now(): number;
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
  let leftAt = Number.NEGATIVE_INFINITY;
  const polls = new Map<string, { epoch: string | undefined; at: number }>();

  const leaveIf = (why: string, confirm: (epoch: string) => Promise<boolean>): void => {
    const epoch = options.epoch();
    const now = options.now();
    if (epoch === undefined || now - askedAt < ASK_INTERVAL_MS || now - leftAt < LEAVE_INTERVAL_MS) return;
    askedAt = now;
    confirm(epoch).then(
      (confirmed) => {
        if (!confirmed || options.epoch() !== epoch) return;
        leftAt = options.now();
        options.leave(epoch, why);
      },
      // Without etcd nothing can be settled; the doubt comes again.
      () => undefined,
    );
  };

  /** Whether a router asks us for lists, and does so because what it has, and applies, is of another epoch than ours. */
  const refusesOurs = (node: string, { workers }: Acknowledgement): boolean => {
    const poll = polls.get(node);
    if (poll?.epoch === undefined || options.now() - poll.at > ROUTER_EXPIRY_MS) return false;
    const applied = workers.map(({ epoch }) => epoch);
    return applied.length > 0 && ![...applied, poll.epoch].includes(options.epoch() ?? "");
  };

  return {
    onPoll: (node, epoch) => {
      if (polls.size >= MAX_ROUTERS && !polls.has(node)) polls.clear();
      polls.set(node, { epoch, at: options.now() });
    },
    onAhead: (node, revision) => {
      // Only what a router has reported that it applies counts: anyone may name a revision.
      const workers = options.routers().find((router) => router.node === node)?.workers ?? [];
      if (!workers.some((worker) => worker.epoch === options.epoch() && worker.revision >= revision)) return;
      leaveIf("a router has seen newer data than etcd has", async () => (await options.newestRevision()) < revision);
    },
    onReport: (node, report) => {
      if (!report.leftEpochs.includes(options.epoch() ?? "") || !refusesOurs(node, report)) return;
      leaveIf("a router has left this epoch before", async (epoch) => (await options.epochInEtcd()) === epoch);
    },
  };
}
