import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { renderTable } from "../../cli/output/table.ts";
import { ROOT } from "../support/root.ts";
import { startScriptedIpconfig } from "../support/scripted-ipconfig.ts";
import { withCleanup } from "./cleanup.ts";
import { type Gate, percentile } from "./gate.ts";
import { openLoopAnswers } from "./open-loop.ts";
import type { Report } from "./report.ts";
import { besideASlowOne, type Contender, NATIVE, publishLists } from "./router-contenders.ts";

const INSTANCES = 4;
const SLOTS = 4;
const FAST_MS = 10;
const SLOW_MS = 100;
/** Of the 1,600 that the instances could take, and the 1,240 when one of them is slow. */
const PER_SECOND = 600;
const CONNECTIONS = 128;
const ROUNDS = 3;
/** Before the load counts, with all instances fast, while one becomes slow, and with a slow one. */
const SECONDS = { warm: 2, before: 6, between: 2, after: 6 };

/** What one instance that becomes ten times as slow does to all requests: by our balancing, and by that of nginx and haproxy. */
export async function benchSlowInstance(report: Report): Promise<Gate[]> {
  return withCleanup(async (later) => {
    const directory = await mkdtemp(join(tmpdir(), "routectl-bench-"));
    later(() => rm(directory, { recursive: true, force: true }));
    const instances = await startInstances();
    later(instances.stop);
    const ipconfig = await startScriptedIpconfig();
    later(ipconfig.close);
    publishLists(ipconfig, instances.ports);
    const contenders: Contender[] = [];
    for (const start of besideASlowOne({ directory, instances: instances.ports, ipconfig })) {
      const contender = await start();
      later(contender.stop);
      contenders.push(contender);
    }
    const rounds = new Map<Contender, Round[]>(contenders.map((contender) => [contender, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const contender of contenders) rounds.get(contender)!.push(await measure(contender.url, instances));
    }
    return judge(rounds, report);
  });
}

interface Instances {
  readonly ports: readonly number[];
  /** Sets the mean times that they take. @returns the requests of each that came since the last time */
  take(meansMs: readonly number[]): Promise<readonly number[]>;
  stop(): Promise<void>;
}

async function startInstances(): Promise<Instances> {
  const script = join(ROOT, "test/bench/delaying-instances.mjs");
  const child: ChildProcess = fork(script, [`${INSTANCES}`, `${SLOTS}`]);
  const [ports] = (await once(child, "message")) as [number[]];
  return {
    ports,
    take: async (meansMs) => {
      child.send([...meansMs]);
      return ((await once(child, "message")) as [number[]])[0];
    },
    stop: async () => {
      const gone = once(child, "exit");
      child.kill();
      await gone;
    },
  };
}

/** Latencies in milliseconds of one contender in one round. */
interface Round {
  readonly before: readonly number[];
  readonly between: readonly number[];
  readonly after: readonly number[];
  /** The slow instance's part of the requests, as a multiple of a fair one. */
  readonly share: number;
}

async function measure(url: string, instances: Instances): Promise<Round> {
  const fast = Array.from({ length: INSTANCES }, () => FAST_MS);
  const oneSlow = [SLOW_MS, ...fast.slice(1)];
  await instances.take(fast);
  const slowAt = (SECONDS.warm + SECONDS.before) * 1000;
  const settledAt = slowAt + SECONDS.between * 1000;
  const untilMs = settledAt + SECONDS.after * 1000;
  const slowDown = async (): Promise<readonly number[]> => {
    await delay(slowAt);
    await instances.take(oneSlow);
    await delay(settledAt - slowAt);
    await instances.take(oneSlow);
    await delay(untilMs - settledAt);
    // Fast again, so that what has queued up ends soon.
    return instances.take(fast);
  };
  let slowed: Promise<readonly number[]> | undefined;
  // The load goes on all the while.
  const answers = await openLoopAnswers(url, PER_SECOND, untilMs / 1000, CONNECTIONS, () => {
    slowed = slowDown();
  });
  const counts = (await slowed)!;
  const latencies = (from: number, to: number): number[] =>
    answers.filter(({ sentMs }) => sentMs >= from && sentMs < to).map(({ latencyMs }) => latencyMs);
  return {
    before: latencies(SECONDS.warm * 1000, slowAt),
    between: latencies(slowAt, settledAt),
    after: latencies(settledAt, untilMs),
    share: (counts[0]! * INSTANCES) / counts.reduce((sum, count) => sum + count, 0),
  };
}

function judge(measured: ReadonlyMap<Contender, readonly Round[]>, report: Report): Gate[] {
  const rows = [...measured].map(([{ name }, rounds]) => {
    const tail = (of: (round: Round) => readonly number[], part: number): string =>
      median(rounds.map((round) => percentile(of(round), part))).toFixed(0);
    const columns = [(round: Round) => round.before, (round: Round) => round.between, (round: Round) => round.after];
    return [
      name,
      median(rounds.map(({ share }) => share)).toFixed(2),
      ...[0.5, 0.99, 0.999].flatMap((part) => columns.map((of) => tail(of, part))),
      median(rounds.map(growth)).toFixed(2),
    ];
  });
  const heads = ["P50", "P99", "P99.9"].flatMap((name) => [`${name} BEFORE`, "2 s", "AFTER"]);
  report.print(renderTable(["PROXY", "SHARE", ...heads, "× P99.9"], rows));
  report.print(
    `Milliseconds; ${INSTANCES} instances of ${SLOTS} slots, ${FAST_MS} ms a request (exponential), one of them then ${SLOW_MS} ms; ` +
      `${PER_SECOND} requests a second, sent on time. SHARE: the slow one's part, as a multiple of a fair one, from ${SECONDS.between} s ` +
      `after it became slow; AFTER: since then. Medians of ${ROUNDS} rounds of ${SECONDS.after} s.`,
  );
  report.draw({
    file: "slow-instance",
    title: "p99 with one of four instances ten times slower, ms",
    logarithmic: true,
    bars: [...measured].map(([{ name }, rounds]) => ({ label: name, group: "p99", value: median(rounds.map(p99)) })),
  });
  const roundsOf = (wanted: string): readonly Round[] => [...measured].find(([{ name }]) => name === wanted)![1];
  const [[, ours]] = [...measured] as [[Contender, readonly Round[]]];
  const p99Ratio = (other: string, limit: number): Gate => ({
    name: `p99 with a slow instance, as a multiple of that of ${other}`,
    value: median(ours.map((round, index) => p99(round) / p99(roundsOf(other)[index]!))),
    limit,
  });
  return [
    {
      name: "a slow instance's share, as a multiple of a fair one",
      value: median(ours.map(({ share }) => share)),
      limit: 0.3,
    },
    { name: "p99.9 with a slow instance, as a multiple of that before", value: median(ours.map(growth)), limit: 1.5 },
    p99Ratio(NATIVE, 0.5),
    p99Ratio("haproxy leastconn", 1),
  ];
}

const median = (values: readonly number[]): number => percentile(values, 0.5);
const p99 = ({ after }: Round): number => percentile(after, 0.99);
const growth = ({ before, after }: Round): number => percentile(after, 0.999) / percentile(before, 0.999);
