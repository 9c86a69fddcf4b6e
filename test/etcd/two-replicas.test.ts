import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { waitFor } from "../support/wait.ts";
import { type Writes, writesTo } from "../support/writes.ts";

/** A router may ask any replica, and another one the next time. */
let etcd: TestEtcd;
let writes: Writes;
let replicas: [TestReplica, TestReplica];

beforeAll(async () => {
  etcd = await startEtcd();
  writes = writesTo(etcd.url);
  await writes.register("demo", { id: "demo-1" });
  // Both at once: both find that there is no epoch.
  replicas = await Promise.all([startTestReplica(etcd.url), startTestReplica(etcd.url)]);
});

afterAll(async () => {
  for (const replica of replicas ?? []) await replica.stop();
  writes?.close();
  await etcd?.close();
});

/** Both serve this revision. */
async function reached(revision: number, some: readonly TestReplica[] = replicas): Promise<void> {
  for (const replica of some) {
    await waitFor(`revision ${revision}`, async () => ((await replica.poll()).snapshot?.revision ?? 0) >= revision);
  }
}

/** What a replica serves, without the revisions at which it first saw each list. */
async function served(replica: TestReplica): Promise<unknown> {
  const { snapshot } = await replica.poll();
  const lists = Object.entries(snapshot!.services).map(([name, { version: _, ...list }]) => [name, list]);
  return { epoch: snapshot!.epoch, revision: snapshot!.revision, lists: Object.fromEntries(lists.sort()) };
}

it("agree on the epoch, on revisions and on lists, through many changes", async () => {
  for (let i = 2; i <= 20; i++) {
    await writes.register(i % 3 === 0 ? "orders" : "demo", { id: `i-${i}`, weight: (i * 37) % 1000 });
    if (i % 4 === 0) await writes.setWeight("demo", "demo-1", i);
    if (i % 5 === 0) await writes.clearWeights("demo").catch(() => undefined);
    if (i % 6 === 0) await writes.deregister("orders", `i-${i}`);
  }
  const revision = await writes.setWeight("demo", "demo-1", 500);
  await reached(revision);
  expect(await served(replicas[0])).toEqual(await served(replicas[1]));
});

it("one that starts later agrees with the others", async () => {
  const late = await startTestReplica(etcd.url);
  try {
    const revision = await writes.setWeight("demo", "demo-1", 600);
    await reached(revision, [...replicas, late]);
    expect(await served(late)).toEqual(await served(replicas[0]));
  } finally {
    await late.stop();
  }
});

it("a router that moves from one to the other misses nothing", async () => {
  const known = new Map<string, number[]>();
  let at: { epoch?: string; revision?: number } = {};
  const weightsNow = () => known.get("demo");
  for (let weight = 1; weight <= 20; weight++) {
    const revision = await writes.setWeight("demo", "demo-1", weight);
    const replica = replicas[weight % 2]!;
    await reached(revision, [replica]);
    const { snapshot } = await replica.poll({ ...at, waitMs: 5000 });
    for (const [name, { instances }] of Object.entries(snapshot!.services)) {
      known.set(
        name,
        instances.filter(({ id }) => id === "demo-1").map((peer) => peer.weight),
      );
    }
    expect(snapshot!.full).toBe(weight === 1);
    expect(weightsNow()).toEqual([weight]);
    at = { epoch: snapshot!.epoch, revision: snapshot!.revision };
  }
});

it("a router that comes while new scores wait for their turn misses none of them", async () => {
  const [replica] = replicas;
  for (let round = 0; round < 4; round++) {
    const { snapshot } = await replica.poll();
    let [at, known] = [snapshot!, snapshot!.services.demo];
    const samples = { "demo-1": { state: round % 2 === 0 ? "down" : "up" }, "i-2": { state: "up" } };
    const status = JSON.stringify({ at: Date.now(), intervalMs: 50, samples });
    await etcd.raw.put("/routectl/v1/status/demo/exporter-1", status);
    // In the midst of the quarter of a second for which scores are collected.
    await delay(50);
    for (let polls = 0; polls < 5; polls++) {
      const { epoch, revision } = at;
      const next = await replica.poll({ epoch, revision, router: `edge-${round}`, waitMs: 300 });
      at = next.snapshot ?? at;
      known = next.snapshot?.services.demo ?? known;
    }
    expect(known?.instances).toEqual((await replica.service("demo"))?.instances);
  }
});
