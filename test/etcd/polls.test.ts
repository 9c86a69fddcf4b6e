import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { waitFor } from "../support/wait.ts";
import { type Writes, writesTo } from "../support/writes.ts";

/** What a router gets that polls for snapshots. */
let etcd: TestEtcd;
let writes: Writes;
let replica: TestReplica;

beforeAll(async () => {
  etcd = await startEtcd();
  writes = writesTo(etcd.url);
});

beforeEach(async () => {
  await etcd.raw.deleteAll();
  await writes.register("demo", { id: "demo-1" });
  await writes.register("orders", { id: "orders-1" });
  replica = await startTestReplica(etcd.url);
  await waitFor("a list", async () => (await replica.poll()).status === 200);
});

afterEach(() => replica?.stop());

afterAll(async () => {
  writes?.close();
  await etcd?.close();
});

/** A router's position once it has everything. */
async function position(): Promise<{ epoch: string; revision: number }> {
  const { snapshot } = await replica.poll();
  return { epoch: snapshot!.epoch, revision: snapshot!.revision };
}

/** Polls until there is an answer; changes take a moment from etcd to here. */
async function next(at: { epoch: string; revision: number }) {
  const { status, snapshot } = await replica.poll({ ...at, waitMs: 10_000 });
  expect(status).toBe(200);
  return snapshot!;
}

it("gets everything at first", async () => {
  const { snapshot, etcd: state } = await replica.poll({ waitMs: 10_000 });
  expect(snapshot).toMatchObject({ schema: 1, full: true, removed: [] });
  expect(Object.keys(snapshot!.services).sort()).toEqual(["demo", "orders"]);
  expect(snapshot!.services.demo).toMatchObject({
    mode: "normal",
    policy: { algorithm: "adaptive" },
    instances: [{ id: "demo-1", address: "10.0.0.1", port: 8080, baseWeight: 100, score: 1, weight: 100 }],
  });
  expect(state).toBe("connected");
});

it("then gets the services that have changed, and nothing else", async () => {
  const before = await position();
  const revision = await writes.setWeight("demo", "demo-1", 5);
  const snapshot = await next(before);
  expect(snapshot).toMatchObject({ epoch: before.epoch, revision, full: false, removed: [] });
  expect(Object.keys(snapshot.services)).toEqual(["demo"]);
  expect(snapshot.services.demo).toMatchObject({ mode: "manual", instances: [{ id: "demo-1", weight: 5 }] });
});

it("hears of a service that is gone", async () => {
  const before = await position();
  await writes.deregister("demo", "demo-1");
  expect(await next(before)).toMatchObject({ full: false, services: {}, removed: ["demo"] });
});

it("hears of all changes that it has missed, once each", async () => {
  const before = await position();
  await writes.setWeight("demo", "demo-1", 5);
  await writes.clearWeights("demo");
  await writes.register("billing", { id: "billing-1" });
  await writes.deregister("orders", "orders-1");
  const revision = await writes.setWeight("demo", "demo-1", 7);
  await waitFor("the last change", async () => (await replica.service("demo"))?.instances[0]?.weight === 7);
  const { snapshot } = await replica.poll(before);
  expect(snapshot).toMatchObject({ revision, full: false, removed: ["orders"] });
  expect(Object.keys(snapshot!.services).sort()).toEqual(["billing", "demo"]);
});

describe("with nothing new", () => {
  it("is answered 304 at once, or after waitMs", async () => {
    const at = await position();
    expect(await replica.poll(at)).toMatchObject({ status: 304, etcd: "connected" });
    const startedAt = performance.now();
    expect(await replica.poll({ ...at, waitMs: 300 })).toMatchObject({ status: 304 });
    expect(performance.now() - startedAt).toBeGreaterThan(290);
  });

  it("is woken by a change", async () => {
    const at = await position();
    const held = replica.poll({ ...at, waitMs: 30_000 });
    const writtenAt = performance.now();
    const revision = await writes.setWeight("demo", "demo-1", 5);
    expect((await held).snapshot).toMatchObject({ revision, full: false });
    expect(performance.now() - writtenAt).toBeLessThan(1000);
  });

  it("is woken by a write that changes no list, so that it can say that it applies it", async () => {
    const at = await position();
    const held = replica.poll({ ...at, waitMs: 30_000 });
    const [instance] = await etcd.raw.list("/routectl/v1/services/demo/");
    const revision = await etcd.raw.put(instance!.key, instance!.value);
    expect((await held).snapshot).toMatchObject({ revision, full: false, services: {}, removed: [] });
  });

  it("is not woken by what routing does not depend on", async () => {
    const at = await position();
    await etcd.raw.put("/routectl/v1/status/demo/exporter-1", "{}");
    await etcd.raw.put("/somebody/else", "x");
    expect(await replica.poll({ ...at, waitMs: 300 })).toMatchObject({ status: 304 });
  });
});

describe("gets everything", () => {
  it("when it names an epoch that is not this one", async () => {
    const { revision } = await position();
    for (const epoch of ["another", "", "../../etc", "__proto__"]) {
      const { snapshot } = await replica.poll({ epoch, revision, waitMs: 10_000 });
      expect(snapshot).toMatchObject({ full: true, revision });
    }
  });

  it("when its revision is older than what is remembered", async () => {
    const { epoch, revision } = await position();
    for (const old of [0, 1, revision - 1]) {
      expect((await replica.poll({ epoch, revision: old })).snapshot).toMatchObject({ full: true, revision });
    }
  });

  it("under a new epoch, when it has applied newer data than etcd has", async () => {
    const { epoch, revision } = await position();
    const ahead = { epoch, revision: revision + 1_000_000 };
    // Anyone may name a revision.
    expect(await replica.poll({ ...ahead, router: "edge-1", waitMs: 300 })).toMatchObject({ status: 304 });
    await replica.report("edge-1", ahead);
    const { snapshot } = await replica.poll({ ...ahead, router: "edge-1", waitMs: 10_000 });
    expect(snapshot).toMatchObject({ full: true });
    expect(snapshot!.epoch).not.toBe(epoch);
    expect(Object.keys(snapshot!.services).sort()).toEqual(["demo", "orders"]);
  });
});

it.each([
  "abc",
  "-1",
  "1.5",
  "1e3",
  "NaN",
  "",
  "99999999999999999999",
])("%j is no revision and no waitMs", async (text) => {
  const { epoch } = await position();
  expect(await replica.poll({ epoch, revision: text })).toMatchObject({ status: 400 });
  expect(await replica.poll({ epoch, revision: 1, waitMs: text })).toMatchObject({ status: 400 });
});

it("a replica that is stopped while it starts is gone at once", async () => {
  const startedAt = performance.now();
  await (await startTestReplica(etcd.url)).stop();
  expect(performance.now() - startedAt).toBeLessThan(5000);
});

it("a replica stops at once while polls are held", async () => {
  const held = replica.poll({ ...(await position()), waitMs: 60_000 }).catch(() => "cut off");
  const startedAt = performance.now();
  await replica.stop();
  await held;
  expect(performance.now() - startedAt).toBeLessThan(5000);
});
