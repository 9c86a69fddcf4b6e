import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { applyManifest } from "../../cli/store/apply.ts";
import { drainInstance, restoreInstance } from "../../cli/store/drain.ts";
import type { Store } from "../../cli/store/etcd.ts";
import { parseManifest } from "../../cli/store/manifest.ts";
import { clearWeights, type SetWeights, setWeights } from "../../cli/store/overrides.ts";
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

it("an instance is neither drained nor restored when its weight is set meanwhile", async () => {
  const { store: plain } = writes;
  const race = async (change: (store: Store) => Promise<unknown>, weight: number) => {
    const store = inStep(2);
    return Promise.allSettled([change(store), setWeights(store, "demo", weightOf("bob", weight))]);
  };
  for (const change of [
    (store: Store) => drainInstance(store, "demo", "demo-1", undefined, author("ann")),
    (store: Store) => restoreInstance(store, "demo", "demo-1", author("ann")),
  ]) {
    await drainInstance(plain, "demo", "demo-1", undefined, author("eve"));
    const results = await race(change, 20);
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  }
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

/** A store that someone else changes a key of, just before the transaction that would write it. */
const meddledWith = (key: string): Store => ({
  ...writes.store,
  commit: async (expectations, operations) => {
    if (expectations.some((expected) => expected.key === key)) await etcd.raw.put(key, "{}");
    return writes.store.commit(expectations, operations);
  },
});

it("of several services that are applied, the error names those that are done, the failed one and those not tried", async () => {
  const names = ["p0", "p1", "p2", "p3", "p4", "p5"];
  const text = (port: number) =>
    names.map((name) => `  ${name}: {instances: [{id: a, address: 10.0.0.1, port: ${name === "p0" ? 1 : port}}]}`);
  const manifest = (port: number) => parseManifest(["services:", ...text(port)].join("\n"), "a file");
  await applyManifest(writes.store, manifest(80), false, author("ann"));
  const store = meddledWith("/routectl/v1/services/p3/instances/a");
  const message = expect.stringMatching(
    /^failed at p3: someone else has changed p3 .* \(done: p1, p2; not tried: p4, p5\)$/,
  );
  await expect(applyManifest(store, manifest(81), false, author("bob"))).rejects.toMatchObject({
    ...CONFLICT,
    message,
  });
  const found = await etcd.raw.list("/routectl/v1/services/p");
  expect(found.map(({ value }) => JSON.parse(value).port)).toEqual([1, 81, 81, undefined, 80, 80]);
  const alone = parseManifest("services: {p3: {policy: {algorithm: best}}}", "a file");
  const one = applyManifest(meddledWith("/routectl/v1/services/p3/policy"), alone, false, author("bob"));
  await expect(one).rejects.toThrow(/^someone else has changed p3 in the meantime: [^(]+$/);
});

it("of a service that takes several transactions, the error says which of them is done", async () => {
  const lines = Array.from({ length: 200 }, (_, i) => `{id: i${i}, address: 10.0.0.1, port: 80}`);
  const manifest = parseManifest(
    `services: {wide: {instances: [${lines.join(", ")}]}, last: {policy: {algorithm: best}}}`,
    "a file",
  );
  const store = meddledWith("/routectl/v1/services/wide/instances/i100");
  await expect(applyManifest(store, manifest, false, author("bob"))).rejects.toThrow(
    /^failed at wide \(part 2 of 3\): .* \(done: wide \(part 1 of 3\); not tried: wide \(part 3 of 3\), last\)$/,
  );
});

it("of many weights, the error names the instances whose weight is set, or cleared, and those not tried", async () => {
  const ids = Array.from({ length: 90 }, (_, i) => `big-${i}`);
  const instance = (id: string) => JSON.stringify({ id, address: "10.0.0.1", port: 80 });
  await etcd.raw.putAll(ids.map((id) => [`/routectl/v1/services/big/instances/${id}`, instance(id)]));
  const request = { ...weightOf("ann", 5), weights: new Map(ids.map((id) => [id, 5])) };
  const store = meddledWith("/routectl/v1/overrides/big/big-50");
  await expect(setWeights(store, "big", request)).rejects.toThrow(
    /^failed at big-39, .* big-58 and 19 more: .* \(done: big-0, .*, big-19 and 19 more; not tried: big-78, .*, big-89\)$/,
  );
  expect((await overrides()).filter(({ weight }) => weight === 5)).toHaveLength(39);
  await etcd.raw.delete("/routectl/v1/overrides/big/big-50");
  await setWeights(writes.store, "big", request);
  const clear = { ...author("bob"), ids };
  await expect(clearWeights(meddledWith("/routectl/v1/overrides/big/big-89"), "big", clear)).rejects.toThrow(
    /^failed at big-79, .*, big-89: .* \(done: big-0, .*, big-19 and 59 more; not tried: nothing\)$/,
  );
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
