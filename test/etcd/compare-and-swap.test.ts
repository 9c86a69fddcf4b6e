import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { Store } from "../../cli/store/etcd.ts";
import { applyManifest, parseManifest } from "../../cli/store/manifest.ts";
import { type SetWeights, setWeights } from "../../cli/store/overrides.ts";
import { deregisterInstance, registerInstance } from "../../cli/store/registration.ts";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { routectlFor } from "../support/routectl.ts";
import { type Writes, writesTo } from "../support/writes.ts";

let etcd: TestEtcd;
let writes: Writes;

beforeAll(async () => {
  etcd = await startEtcd();
  writes = writesTo(etcd.url);
});

beforeEach(async () => {
  await etcd.raw.deleteAll();
  await writes.register("demo", { id: "demo-1" });
});

afterAll(async () => {
  writes?.close();
  await etcd?.close();
});

/** A store whose writers all read before the first of them writes. */
function inStep(writers: number): Store {
  let read = 0;
  let go: () => void;
  const allHaveRead = new Promise<void>((resolve) => {
    go = resolve;
  });
  return {
    ...writes.store,
    commit: async (...transaction) => {
      if (++read === writers) go();
      await allHaveRead;
      return writes.store.commit(...transaction);
    },
  };
}

const author = (by: string) => ({ by, reason: `${by} said so`, dryRun: false });
const weightOf = (by: string, weight: number): SetWeights => ({
  ...author(by),
  weights: new Map([["demo-1", weight]]),
  ttlSeconds: undefined,
  action: "weight set",
});
const overrides = async () => (await etcd.raw.list("/routectl/v1/overrides/")).map(({ value }) => JSON.parse(value));
const authors = async () =>
  (await etcd.raw.list("/routectl/v1/history/demo/")).map(({ value }) => JSON.parse(value).by);
const CONFLICT = { code: "conflict", exitCode: 5, message: expect.stringContaining("routectl history demo") };

it("of two who set the same weight one wins, and the other is told and changes nothing", async () => {
  const store = inStep(2);
  const results = await Promise.allSettled([
    setWeights(store, "demo", weightOf("ann", 10)),
    setWeights(store, "demo", weightOf("bob", 20)),
  ]);
  const [lost] = results.filter((result) => result.status === "rejected");
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  expect(lost!.reason).toMatchObject(CONFLICT);
  const winner = results[0].status === "fulfilled" ? { by: "ann", weight: 10 } : { by: "bob", weight: 20 };
  expect(await overrides()).toMatchObject([winner]);
  expect(await authors()).toEqual(["tester", winner.by]);
});

it("a weight is not set for an instance that is deregistered meanwhile", async () => {
  const store = inStep(2);
  const results = await Promise.allSettled([
    setWeights(store, "demo", weightOf("bob", 20)),
    deregisterInstance(store, "demo", "demo-1", author("ann")),
  ]);
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  const instances = await etcd.raw.list("/routectl/v1/services/demo/instances/");
  expect(await overrides()).toHaveLength(instances.length);
});

it("a weight is not set for an instance that is pruned meanwhile", async () => {
  const store = inStep(2);
  const manifest = parseManifest("services: {demo: {instances: []}}", "a file");
  const results = await Promise.allSettled([
    setWeights(store, "demo", weightOf("bob", 20)),
    applyManifest(store, manifest, true, author("ann")),
  ]);
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  const instances = await etcd.raw.list("/routectl/v1/services/demo/instances/");
  expect(await overrides()).toHaveLength(instances.length);
});

it("two who register different instances both succeed", async () => {
  const store = inStep(2);
  const at = { address: "10.0.0.1", port: 80 };
  await Promise.all([
    registerInstance(store, "demo", { id: "demo-2", ...at }, author("ann")),
    registerInstance(store, "demo", { id: "demo-3", ...at }, author("bob")),
  ]);
  const found = await etcd.raw.list("/routectl/v1/services/demo/instances/");
  expect(found.map(({ value }) => JSON.parse(value).id)).toEqual(["demo-1", "demo-2", "demo-3"]);
  expect((await authors()).sort()).toEqual(["ann", "bob", "tester"]);
});

it("a write whose answer was lost and that was sent again is no conflict", async () => {
  const store: Store = {
    ...writes.store,
    commit: async (...transaction) => {
      await writes.store.commit(...transaction);
      return writes.store.commit(...transaction);
    },
  };
  const { revision } = await setWeights(store, "demo", weightOf("ann", 10));
  const [override] = await etcd.raw.list("/routectl/v1/overrides/");
  expect(override).toMatchObject({ modRevision: revision });
  expect(await authors()).toEqual(["tester", "ann"]);
});

it("of many processes at once those that exit with 0 have written, those with 5 have not", async () => {
  const { run } = routectlFor(etcd.url);
  const weights = [11, 12, 13, 14, 15, 16];
  const runs = await Promise.all(
    weights.map((weight) => run("weight", "set", "demo", `demo-1=${weight}`, "--by", `process-${weight}`)),
  );
  const winners = weights.filter((_, i) => runs[i]!.status === 0);
  for (const { status, stderr } of runs) {
    expect([0, 5]).toContain(status);
    if (status === 5) expect(stderr).toMatch(/^routectl: someone else has changed demo [^\n]+\n$/);
  }
  expect((await authors()).sort()).toEqual([...winners.map((weight) => `process-${weight}`), "tester"].sort());
  const [override] = await overrides();
  expect(winners).toContain(override.weight);
});
