import { hashText } from "../../lua/core/hash.ts";
import { pickPeer } from "../../lua/core/pick.ts";
import type { Load } from "../../lua/core/pick-request.ts";
import { preparePlan } from "../../lua/core/plan.ts";
import type { Algorithm, Peer, ServiceList } from "../../lua/core/types.ts";

/** What differs between the runtimes that are measured. */
export interface Runtime {
  readonly nowSeconds: (this: void) => number;
  readonly random: (this: void) => number;
  /** Bytes on the heap, after a full collection when `collect` is set; undefined where the runtime can't tell. */
  readonly heapBytes: (this: void, collect: boolean) => number | undefined;
}

export interface PickFigure {
  readonly algorithm: Algorithm;
  readonly peers: number;
  readonly nanosecondsPerPick: number;
  readonly bytesPerPick: number | undefined;
  readonly buildMilliseconds: number;
  readonly bytesPerPeer: number | undefined;
}

const SIZES = [2, 10, 32, 100, 1000, 10_000];
const PICKS = 200_000;
const ROUNDS = 7;
const BUILDS = 9;
const KEYS = 1024;

/** Measures an algorithm at every size; the same source in LuaJIT and in Node. */
export function measurePicks(
  runtime: Runtime,
  algorithm: Algorithm,
  report: (this: void, figure: PickFigure) => void,
): void {
  const hashes: number[] = [];
  for (let i = 0; i < KEYS; i++) hashes[i] = hashText(`user-${i}`);
  for (const size of SIZES) report(measure(runtime, algorithm, size, hashes));
}

function measure(runtime: Runtime, algorithm: Algorithm, size: number, hashes: readonly number[]): PickFigure {
  const list = listOf(algorithm, size);
  const loads: Load[] = [];
  for (let i = 0; i < size; i++) loads[i] = { inFlight: i % 3, latencyMs: 5 + ((i * 7) % 20), measuredAtMs: 0 };
  const situation = { mode: "normal" as const, nowMs: 0, listAgeMs: 0 };
  // Before the memory is looked at, so that what they leave behind is collected.
  const builds: number[] = [];
  for (let build = 0; build < BUILDS; build++) {
    const buildStart = runtime.nowSeconds();
    preparePlan(list, situation, 0.5);
    builds[build] = (runtime.nowSeconds() - buildStart) * 1000;
  }
  const before = runtime.heapBytes(true);
  const plan = preparePlan(list, situation, 0.5);
  const after = runtime.heapBytes(true);

  const request = {
    keyHash: 0,
    random: 0,
    tried: [] as number[],
    triedCount: 0,
    loads,
    totalInFlight: size,
    nowMs: 100,
  };
  let checksum = 0;
  const pickMany = (count: number): void => {
    for (let i = 0; i < count; i++) {
      request.keyHash = hashes[i % KEYS]!;
      request.random = runtime.random();
      checksum += pickPeer(plan, request);
    }
  };
  pickMany(PICKS / 4);
  // The median of some rounds: the machine is shared, and a trace that is compiled on the way is no part of a pick.
  const nanoseconds: number[] = [];
  const bytes: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const heapBefore = runtime.heapBytes(true);
    const pickStart = runtime.nowSeconds();
    pickMany(PICKS);
    nanoseconds[round] = ((runtime.nowSeconds() - pickStart) * 1e9) / PICKS;
    const heapAfter = runtime.heapBytes(false);
    if (heapBefore !== undefined && heapAfter !== undefined) bytes[round] = (heapAfter - heapBefore) / PICKS;
  }
  if (checksum < 0) throw new Error("a pick failed");
  return {
    algorithm,
    peers: size,
    nanosecondsPerPick: median(nanoseconds)!,
    bytesPerPick: median(bytes),
    buildMilliseconds: median(builds)!,
    bytesPerPeer: before === undefined || after === undefined ? undefined : (after - before) / size,
  };
}

function median(values: number[]): number | undefined {
  values.sort((a, b) => a - b);
  return values[Math.floor(values.length / 2)];
}

function listOf(algorithm: Algorithm, size: number): ServiceList {
  const instances: Peer[] = [];
  for (let i = 0; i < size; i++) {
    const weight = 50 + ((i * 37) % 100);
    const id = `instance-${i}`;
    instances[i] = { id, name: id, address: "127.0.0.1", port: 1 + i, baseWeight: 100, score: 1, weight, metadata: {} };
  }
  return { version: 1, mode: "normal", policy: { algorithm, hashOn: "header:x-user-id" }, instances };
}
