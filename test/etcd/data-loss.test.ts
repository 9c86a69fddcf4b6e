import { afterEach, beforeEach, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { waitFor } from "../support/wait.ts";
import { type Writes, writesTo } from "../support/writes.ts";

/** etcd comes back with less than it had: nothing is emptied, and what comes then goes out under a new epoch. */
let etcd: TestEtcd;
let writes: Writes;
let replicas: TestReplica[];

beforeEach(async () => {
  etcd = await startEtcd();
  writes = writesTo(etcd.url);
  await writes.register("demo", { id: "demo-1" });
  await writes.register("demo", { id: "demo-2" });
  await writes.register("orders", { id: "orders-1" });
  replicas = [await startTestReplica(etcd.url), await startTestReplica(etcd.url)];
  await everyReplica("the list", async (replica) => (await replica.service("demo"))?.instances.length === 2);
});

afterEach(async () => {
  for (const replica of replicas ?? []) await replica.stop();
  writes?.close();
  await etcd?.close();
});

async function everyReplica(what: string, holds: (replica: TestReplica) => Promise<boolean>): Promise<void> {
  for (const replica of replicas) await waitFor(what, () => holds(replica));
}

const epochOf = async (replica: TestReplica) => (await replica.poll()).snapshot?.epoch;
const idsOf = async (replica: TestReplica) => (await replica.service("demo"))?.instances.map(({ id }) => id).sort();

/** All publish the same, under one epoch that is another than before, and a router that has more gets everything. */
async function expectNewEpoch(before: { epoch: string; revision: number }, ids: readonly string[]): Promise<void> {
  const fresh = async (replica: TestReplica) => {
    const epoch = await epochOf(replica);
    return epoch !== undefined && epoch !== before.epoch;
  };
  await everyReplica("a new epoch", fresh);
  const stored = async (): Promise<string> => (await etcd.raw.list("/routectl/v1/epoch"))[0]?.value ?? "";
  await everyReplica("the epoch that etcd has", async (replica) => (await epochOf(replica)) === (await stored()));
  for (const replica of replicas) {
    expect(await idsOf(replica)).toEqual(ids);
    const { snapshot } = await replica.poll(before);
    expect(snapshot).toMatchObject({ full: true, epoch: await stored() });
    expect(snapshot!.services.demo?.instances.map(({ id }) => id).sort()).toEqual(ids);
  }
}

it("a wiped etcd empties no list; once services are registered again a new epoch begins", async () => {
  const before = (await replicas[0]!.poll()).snapshot!;
  for (let i = 0; i < 10; i++) await writes.setWeight("demo", "demo-1", i);
  await everyReplica("the weight", async (replica) => (await replica.service("demo"))?.instances.at(-1)?.weight === 9);
  await etcd.wipe();
  await everyReplica("the loss to be noticed", async ({ warnings }) =>
    warnings.some((text) => /lost its data/.test(text)),
  );
  for (const replica of replicas) {
    expect(await idsOf(replica)).toEqual(["demo-1", "demo-2"]);
    expect(await epochOf(replica)).toBe(before.epoch);
    expect((await replica.get("/readyz")).status).toBe(200);
  }
  await waitFor("etcd to take a write", () =>
    writes.register("demo", { id: "demo-7" }).then(
      () => true,
      () => false,
    ),
  );
  await expectNewEpoch({ epoch: before.epoch, revision: before.revision + 10 }, ["demo-7"]);
  // The others are not registered again yet.
  for (const replica of replicas) expect((await replica.service("orders"))?.instances).toHaveLength(1);
});

it("after an older backup was restored, a new epoch begins with what the backup holds", async () => {
  const backup = await etcd.backUp();
  await waitFor("etcd to take a write", () =>
    writes.deregister("demo", "demo-2").then(
      () => true,
      () => false,
    ),
  );
  await writes.register("demo", { id: "demo-3" });
  await writes.setWeight("demo", "demo-3", 5);
  await everyReplica("the changes", async (replica) => (await replica.service("demo"))?.mode === "manual");
  const { epoch, revision } = (await replicas[0]!.poll()).snapshot!;
  await etcd.restoreFrom(backup);
  await expectNewEpoch({ epoch, revision }, ["demo-1", "demo-2"]);
  for (const replica of replicas) expect((await replica.service("demo"))?.mode).toBe("normal");

  await writes.setWeight("demo", "demo-1", 7);
  await everyReplica("a change", async (replica) => (await replica.service("demo"))?.mode === "manual");
});

it("restored while no ipconfig was there: a router that has seen more brings about a new epoch", async () => {
  const backup = await etcd.backUp();
  for (const replica of replicas) await replica.stop();
  replicas = [];
  const seen = { epoch: (await etcd.raw.list("/routectl/v1/epoch"))[0]!.value, revision: 1000 };
  await etcd.restoreFrom(backup);
  replicas = [await startTestReplica(etcd.url)];
  await everyReplica("the list", async (replica) => (await idsOf(replica))?.length === 2);
  await replicas[0]!.report("edge-1", seen);
  expect((await replicas[0]!.poll({ ...seen, router: "edge-1", waitMs: 10_000 })).status).toBe(200);
  await expectNewEpoch(seen, ["demo-1", "demo-2"]);
});

it("a router that refuses an epoch, because it has left it, brings about a new one, and the next one not at once", async () => {
  const [replica] = replicas;
  const epochs = new Set<string | undefined>();
  /** Asks and reports as a router that has left the epoch that is in force. @returns how often another one began */
  const refuse = async (applied: string, asks: boolean): Promise<number> => {
    const { epoch, revision } = (await replica!.poll()).snapshot!;
    epochs.add(epoch);
    if (asks) await replica!.poll({ router: "edge-1", epoch: "another-one", revision });
    await replica!.report("edge-1", { epoch: applied, revision }, { leftEpochs: [epoch] });
    await replica!.poll({ epoch, revision, waitMs: 500 });
    return epochs.add(await epochOf(replica!)).size - 1;
  };
  const before = (await replica!.poll()).snapshot!;
  expect(await refuse("another-one", false)).toBe(0);
  expect(await refuse(before.epoch, true)).toBe(0);
  expect(await refuse("another-one", true)).toBe(1);
  await expectNewEpoch(before, ["demo-1", "demo-2"]);
  expect(await refuse("another-one", true)).toBe(1);
});

it("all keys deleted by hand empty no list either", async () => {
  const before = (await replicas[0]!.poll()).snapshot!;
  const keys = await etcd.raw.list("/routectl/v1/");
  await etcd.raw.deleteAll("/routectl/v1/");
  expect(keys.length).toBeGreaterThan(3);
  await writes.store.grantLease(60);
  for (const replica of replicas) {
    expect(await replica.poll({ ...before, waitMs: 500 })).toMatchObject({ status: 304 });
    expect(await idsOf(replica)).toEqual(["demo-1", "demo-2"]);
  }
  await writes.register("demo", { id: "demo-8" });
  await expectNewEpoch(before, ["demo-8"]);
});
