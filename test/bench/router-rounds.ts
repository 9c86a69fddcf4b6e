import { closedLoop } from "./closed-loop.ts";
import { percentile } from "./gate.ts";
import { openLoop } from "./open-loop.ts";
import { cpuMicroseconds, residentMegabytes } from "./process-figures.ts";
import type { Contender } from "./router-contenders.ts";

const CONNECTIONS = 32;
const CLOSED = { rounds: 7, seconds: 1 };
const OPEN = { rounds: 12, seconds: 0.2, perSecond: 2000 };

export const METHOD =
  `CPU: ${CLOSED.rounds} rounds of ${CLOSED.seconds} s of wrk on ${CONNECTIONS} connections. Latency: ${OPEN.rounds} rounds of ` +
  `${OPEN.seconds} s at ${OPEN.perSecond} requests a second, sent on time by Node, less that of an instance without a proxy. ` +
  "The contenders take turns; medians of the rounds. A p99 on a busy machine says more of the machine.";

/** One contender's figures, each the median of its rounds. */
export interface Figures {
  /** CPU of its worker a request, and that as a multiple of the reference's in the same round. */
  readonly cpuMicroseconds: number;
  readonly ratio: number;
  readonly requestsPerSecond: number;
  /** What it adds to the latency of an instance asked without a proxy. */
  readonly addedP50Ms: number;
  readonly addedP99Ms: number;
  readonly residentMegabytes: number;
}

/** Latency in milliseconds. */
export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Measures the contenders in turns, so that what else goes on in the machine meets all of them.
 * @param reference what CPU is compared with
 * @param direct the URL of an instance
 * @param script for wrk, a file
 * @returns the contenders' figures, and the latency of an instance
 */
export async function measureInTurns(
  contenders: readonly Contender[],
  reference: Contender,
  direct: string,
  script: string,
): Promise<[Map<Contender, Figures>, Latency]> {
  // Latency comes first: it warms up what the compiler in LuaJIT has to see often.
  const latencies = await measureLatencies([direct, ...contenders.map(({ url }) => url)]);
  const without = latencies.get(direct)!;
  const cpu = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]));
  const requests = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]));
  for (let round = 0; round < CLOSED.rounds; round++) {
    for (const contender of rotated(contenders, round)) {
      const before = await cpuMicroseconds(contender.worker);
      const answered = await closedLoop(contender.url, CLOSED.seconds, CONNECTIONS, script);
      cpu.get(contender)!.push(((await cpuMicroseconds(contender.worker)) - before) / answered);
      requests.get(contender)!.push(answered / CLOSED.seconds);
    }
  }
  const figures = contenders.map(async (contender) => {
    const own = cpu.get(contender)!;
    const { p50Ms, p99Ms } = latencies.get(contender.url)!;
    const figure: Figures = {
      cpuMicroseconds: median(own),
      ratio: median(own.map((microseconds, round) => microseconds / cpu.get(reference)![round]!)),
      requestsPerSecond: median(requests.get(contender)!),
      addedP50Ms: p50Ms - without.p50Ms,
      addedP99Ms: p99Ms - without.p99Ms,
      residentMegabytes: await residentMegabytes(contender.worker),
    };
    return [contender, figure] as const;
  });
  return [new Map(await Promise.all(figures)), without];
}

async function measureLatencies(urls: readonly string[]): Promise<Map<string, Latency>> {
  const rounds = new Map<string, number[][]>(urls.map((url) => [url, []]));
  for (let round = 0; round < OPEN.rounds; round++) {
    for (const url of rotated(urls, round)) {
      rounds.get(url)!.push(await openLoop(url, OPEN.perSecond, OPEN.seconds, CONNECTIONS));
    }
  }
  const medianOf = (url: string, part: number): number =>
    median(rounds.get(url)!.map((latencies) => percentile(latencies, part)));
  return new Map(urls.map((url) => [url, { p50Ms: medianOf(url, 0.5), p99Ms: medianOf(url, 0.99) }]));
}

/** Another one begins in each round. */
function rotated<T>(values: readonly T[], by: number): T[] {
  return values.map((_, index) => values[(index + by) % values.length]!);
}

function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}
