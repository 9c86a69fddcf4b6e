import { afterEach, beforeEach, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { waitFor } from "../support/wait.ts";
import { type Writes, writesTo } from "../support/writes.ts";

/** While etcd is away the last list stays in force; when it is back changes come within a few seconds. */
let etcd: TestEtcd;
let proxy: TcpProxy;
let writes: Writes;
let replica: TestReplica;

const BACK_WITHIN_MS = 8000;

beforeEach(async () => {
  etcd = await startEtcd();
  proxy = await startTcpProxy(etcd.url);
  writes = writesTo(etcd.url);
  await writes.register("demo", { id: "demo-1" });
  await writes.register("demo", { id: "demo-2" });
  replica = await startTestReplica(proxy.url);
  await waitFor("the list", async () => (await replica.service("demo"))?.instances.length === 2);
});

afterEach(async () => {
  await replica?.stop();
  writes?.close();
  await proxy?.close();
  await etcd?.close();
});

const stateIs = (state: string, timeoutMs?: number) =>
  waitFor(`etcd to be ${state}`, async () => (await replica.poll()).etcd === state, timeoutMs);

const weight = async (id: string) => (await replica.service("demo"))?.instances.find((one) => one.id === id)?.weight;

/** The list as it was, the polls answered, and the trouble said in the header, the log and the metrics. */
async function expectListStays(before: { instances: readonly unknown[] }): Promise<void> {
  await stateIs("disconnected");
  expect((await replica.service("demo"))?.instances).toEqual(before.instances);
  const { epoch, revision } = (await replica.poll()).snapshot!;
  expect(await replica.poll({ epoch, revision, waitMs: 100 })).toMatchObject({ status: 304, etcd: "disconnected" });
  expect(await (await replica.get("/readyz")).text()).toContain("by the last list");
  expect(await replica.metric("routectl_etcd_reachable")).toBe(0);
  expect(replica.warnings.join("\n")).toContain("etcd does not answer, the last list stays in force");
}

async function expectChangesToFlow(epoch: string): Promise<void> {
  await stateIs("connected", BACK_WITHIN_MS);
  const { service, snapshot } = { service: "demo", snapshot: (await replica.poll()).snapshot! };
  expect(snapshot.epoch).toBe(epoch);
  await waitFor("etcd to take a write", () =>
    writes.setWeight(service, "demo-1", 7).then(
      () => true,
      () => false,
    ),
  );
  await waitFor("the change", async () => (await weight("demo-1")) === 7, BACK_WITHIN_MS);
  expect(await replica.metric("routectl_etcd_reachable")).toBe(1);
}

it("etcd is killed, and started again", async () => {
  const before = (await replica.service("demo"))!;
  const { epoch, revision } = before;
  const held = replica.poll({ epoch, revision, waitMs: 3000 });
  await etcd.kill();
  expect(await held).toMatchObject({ status: 304, etcd: "disconnected" });
  await expectListStays(before);
  await etcd.start();
  await expectChangesToFlow(before.epoch);
});

it("etcd hangs, and goes on", async () => {
  const before = (await replica.service("demo"))!;
  etcd.pause();
  await expectListStays(before);
  etcd.resume();
  await expectChangesToFlow(before.epoch);
});

it("etcd hangs until connections are given up, and goes on", async () => {
  const before = (await replica.service("demo"))!;
  etcd.pause();
  const pausedAt = performance.now();
  await expectListStays(before);
  // gRPC's keepalive notices after 7 s.
  await waitFor("the connection to be given up", () => performance.now() - pausedAt > 8000);
  etcd.resume();
  await expectChangesToFlow(before.epoch);
});

it("changes and deletions are made, and compacted away, while ipconfig is cut off", async () => {
  const before = (await replica.service("demo"))!;
  const { epoch, revision } = (await replica.poll()).snapshot!;
  proxy.cut();
  await expectListStays(before);
  await writes.deregister("demo", "demo-2");
  await writes.register("orders", { id: "orders-1" });
  await writes.setWeight("demo", "demo-1", 3);
  await etcd.raw.compact();
  proxy.mend();
  await waitFor("the changes", async () => (await weight("demo-1")) === 3, BACK_WITHIN_MS);
  const { snapshot } = await replica.poll({ epoch, revision });
  expect(snapshot).toMatchObject({ epoch, full: false, removed: [] });
  expect(snapshot!.services.demo?.instances.map(({ id }) => id)).toEqual(["demo-1"]);
  expect(Object.keys(snapshot!.services).sort()).toEqual(["demo", "orders"]);
  await expectChangesToFlow(epoch);
});

it("a backup is restored while ipconfig is cut off, and more is written then than it had seen before", async () => {
  const backup = await etcd.backUp();
  await waitFor("etcd to take a write", () =>
    writes.setWeight("demo", "demo-1", 3).then(
      () => true,
      () => false,
    ),
  );
  await waitFor("the change", async () => (await weight("demo-1")) === 3, BACK_WITHIN_MS);
  const { epoch, revision } = (await replica.poll()).snapshot!;
  const seen = await etcd.raw.revision();
  proxy.cut();
  await etcd.restoreFrom(backup);
  while ((await etcd.raw.put("/elsewhere", "")) <= seen);
  proxy.mend();
  await waitFor("a new epoch", async () => (await replica.poll()).snapshot?.epoch !== epoch, BACK_WITHIN_MS);
  expect((await replica.poll({ epoch, revision })).snapshot).toMatchObject({ full: true });
  expect(await replica.service("demo")).toMatchObject({ mode: "normal" });
  await expectChangesToFlow((await replica.poll()).snapshot!.epoch);
});

it("the connection is lost again and again, and nothing else", async () => {
  const { epoch } = (await replica.service("demo"))!;
  for (let round = 1; round <= 5; round++) {
    proxy.cut();
    await writes.setWeight("demo", "demo-2", round);
    proxy.mend();
    await waitFor(`round ${round}`, async () => (await weight("demo-2")) === round, BACK_WITHIN_MS);
  }
  await expectChangesToFlow(epoch);
});

it("ipconfig is started while etcd is away", async () => {
  await etcd.kill();
  const early = await startTestReplica(etcd.url);
  try {
    expect((await early.get("/readyz")).status).toBe(503);
    await waitFor("it to say so", () => early.warnings.some((text) => /etcd does not answer/.test(text)));
    await etcd.start();
    await waitFor("the list", async () => (await early.service("demo"))?.instances.length === 2, BACK_WITHIN_MS);
  } finally {
    await early.stop();
  }
});
