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

const keyOf = (change: Change): string => (change.type === "put" ? change.item.key : change.key);

/** A store whose watches lose changes. */
const unreliable = (store: Store): Store => ({
  ...store,
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

it("a watch that loses nothing is never said to have missed anything", async () => {
  for (let i = 0; i < 40; i++) await writes.setWeight("demo", "demo-1", i);
  await waitFor("a few lists", async () => (await etcd.raw.revision()) > 0);
  const at = (await replica.poll()).snapshot!;
  await replica.poll({ epoch: at.epoch, revision: at.revision, waitMs: 2500 });
  expect(await replica.metric("routectl_missed_changes_total")).toBe(0);
});
