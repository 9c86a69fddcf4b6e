import { setImmediate as settled } from "node:timers/promises";
import { beforeEach, expect, it } from "vitest";
import { createEpochDoubts, type EpochDoubts } from "../../../cli/ipconfig/epoch-doubts.ts";
import { ROUTER_EXPIRY_MS } from "../../../cli/ipconfig/routers.ts";

const MINUTE_MS = 60_000;

let now: number;
let epoch: string;
let inEtcd: string;
let left: string[];
let doubts: EpochDoubts;

beforeEach(() => {
  now = 0;
  epoch = inEtcd = "ours";
  left = [];
  doubts = createEpochDoubts({
    now: () => now,
    epoch: () => epoch,
    routers: () => [],
    newestRevision: async () => 1,
    epochInEtcd: async () => inEtcd,
    leave: (name) => left.push(name),
  });
});

/** A report of a router that has left our epoch. @returns what was left by then */
async function report(applied: readonly string[]): Promise<readonly string[]> {
  const workers = applied.map((name, worker) => ({ worker, pid: 1, epoch: name, revision: 1 }));
  doubts.onReport("edge-1", { workerCount: 1, ipconfig: "", leftEpochs: ["ours"], workers });
  await settled();
  return left;
}

it("who has asked for lists of late, and applies another epoch, is believed that he has left ours", async () => {
  doubts.onPoll("edge-1", "theirs");
  now = ROUTER_EXPIRY_MS;
  expect(await report(["theirs", "theirs"])).toEqual(["ours"]);
});

it("who has not asked for lists is not", async () => {
  expect(await report(["theirs"])).toEqual([]);
});

it.each<[why: string, asked: { epoch?: string; agoMs?: number }, applied: string[]]>([
  ["asked too long ago", { epoch: "theirs", agoMs: ROUTER_EXPIRY_MS + 1 }, ["theirs"]],
  ["has no list", {}, ["theirs"]],
  ["asks with our epoch", { epoch: "ours" }, ["theirs"]],
  ["applies ours in a worker", { epoch: "theirs" }, ["theirs", "ours"]],
  ["has no worker", { epoch: "theirs" }, []],
])("who %s is not", async (_, asked, applied) => {
  doubts.onPoll("edge-1", asked.epoch);
  now = asked.agoMs ?? 0;
  expect(await report(applied)).toEqual([]);
});

it("a new epoch begins once a minute at most; a doubt that was wrong does not count", async () => {
  const refuse = async (at: number): Promise<number> => {
    now = at;
    doubts.onPoll("edge-1", "theirs");
    return (await report(["theirs"])).length;
  };
  inEtcd = "a newer one, which we have not heard of yet";
  expect(await refuse(0)).toBe(0);
  inEtcd = "ours";
  expect(await refuse(1000)).toBe(0);
  expect(await refuse(5000)).toBe(1);
  expect(await refuse(5000 + MINUTE_MS - 1)).toBe(1);
  expect(await refuse(5000 + MINUTE_MS)).toBe(2);
});
