import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import type { Change, Store } from "../../cli/store/etcd.ts";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { waitFor } from "../support/wait.ts";
import { type Writes, writesTo } from "../support/writes.ts";

/** A watch may lose events (etcd 3.4 has such faults): listing everything again from time to time finds what it lost. */
let etcd: TestEtcd;
let writes: Writes;
let replica: TestReplica;
let loses: (change: Change) => boolean;
let listed: string[];

const keyOf = (change: Change): string => (change.type === "put" ? change.item.key : change.key);

/** A store whose watches lose changes, and that remembers what was listed. */
const unreliable = (store: Store): Store => ({
  ...store,
  list: async (prefix, without) => {
    const answer = await store.list(prefix, without);
    listed = answer.items.map(({ key }) => key.slice(store.keys.prefix.length + 1));
    return answer;
  },
  watch: (prefix, fromRevision, handler) =>
    store.watch(prefix, fromRevision, {
      ...handler,
      onChanges: (changes, revision) => {
        const seen = changes.filter((change) => !loses(change));
        if (seen.length > 0) handler.onChanges(seen, revision);
      },
    }),
});

beforeAll(async () => {
  etcd = await startEtcd();
  writes = writesTo(etcd.url);
});

beforeEach(async () => {
  loses = () => false;
  await etcd.raw.deleteAll();
  await writes.register("demo", { id: "demo-1" });
  await writes.register("demo", { id: "demo-2" });
  await writes.register("orders", { id: "orders-1" });
  replica = await startTestReplica(etcd.url, { relistMs: 1000, wrap: unreliable });
  await waitFor("the list", async () => (await replica.service("demo"))?.instances.length === 2);
});

afterEach(() => replica?.stop());

afterAll(async () => {
  writes?.close();
  await etcd?.close();
});

const idsOf = async (service: string) => (await replica.service(service))?.instances.map(({ id }) => id) ?? [];

/** A router that follows the replica, as a real one does. */
async function follow(at: { epoch: string; revision: number }, until: (ids: readonly string[]) => boolean) {
  let position = at;
  await waitFor("a router to hear of it", async () => {
    const { snapshot } = await replica.poll({ ...position, waitMs: 500 });
    if (snapshot === undefined) return false;
    position = { epoch: snapshot.epoch, revision: snapshot.revision };
    return until(snapshot.services.demo?.instances.map(({ id }) => id) ?? []);
  });
}

it("an instance that came is found", async () => {
  const { epoch, revision } = (await replica.poll()).snapshot!;
  loses = () => true;
  await writes.register("demo", { id: "demo-3" });
  await follow({ epoch, revision }, (ids) => ids.includes("demo-3"));
  expect(await replica.metric("routectl_missed_changes_total")).toBeGreaterThan(0);
  expect(replica.warnings.join("\n")).toContain("the watch had missed changes of demo");
});

it("an instance that went is found", async () => {
  const { epoch, revision } = (await replica.poll()).snapshot!;
  loses = () => true;
  await writes.deregister("demo", "demo-2");
  await follow({ epoch, revision }, (ids) => ids.length === 1);
  expect(await idsOf("demo")).toEqual(["demo-1"]);
});

it("what was lost before a change that came through is found, though etcd's revision stays", async () => {
  loses = (change) => /demo-3|history\/demo/.test(keyOf(change));
  await writes.register("demo", { id: "demo-3" });
  const last = await writes.register("orders", { id: "orders-2" });
  await waitFor("the later change", async () => ((await replica.poll()).snapshot?.revision ?? 0) >= last);
  const { epoch, revision } = (await replica.poll()).snapshot!;
  expect(await idsOf("demo")).not.toContain("demo-3");
  await follow({ epoch, revision }, (ids) => ids.includes("demo-3"));
  expect((await replica.poll()).snapshot!.epoch).toBe(epoch);
});

it("a write that changes no list still moves the revision, though the history is not listed", async () => {
  await writes.setWeight("demo", "demo-1", 7);
  await waitFor("the weight", async () => (await replica.service("demo"))?.mode === "manual");
  // A key before those of the history, and one after them.
  await etcd.raw.putAll(
    ["/routectl/v1/exporters/one", "/routectl/v1/status/demo/one"].map((key) => [key, "{}"] as const),
  );
  const { revision: before, services } = (await replica.poll()).snapshot!;
  loses = () => true;
  const revision = await etcd.raw.put("/routectl/v1/history/demo/0000000000000001-ab", "{}");
  expect(revision).toBeGreaterThan(before);
  await waitFor("the revision", async () => ((await replica.poll()).snapshot?.revision ?? 0) >= revision);
  expect((await replica.poll()).snapshot).toMatchObject({ revision, services });
  expect((await etcd.raw.list("/routectl/v1/history/")).length).toBeGreaterThan(4);
  const instances = ["demo/instances/demo-1", "demo/instances/demo-2", "orders/instances/orders-1"];
  const expected = [...instances.map((key) => `services/${key}`), "epoch", "exporters/one", "overrides/demo/demo-1"];
  await waitFor("a list", () => listed.length > 0);
  expect(listed.toSorted()).toEqual([...expected, "status/demo/one"].toSorted());
});

it("a watch that loses nothing is never said to have missed anything", async () => {
  for (let i = 0; i < 40; i++) await writes.setWeight("demo", "demo-1", i);
  await waitFor("a few lists", async () => (await etcd.raw.revision()) > 0);
  const at = (await replica.poll()).snapshot!;
  await replica.poll({ epoch: at.epoch, revision: at.revision, waitMs: 2500 });
  expect(await replica.metric("routectl_missed_changes_total")).toBe(0);
});
