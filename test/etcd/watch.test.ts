import { afterAll, beforeAll, expect, it } from "vitest";
import { openStore, type Store } from "../../cli/store/etcd.ts";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { waitFor } from "../support/wait.ts";

let etcd: TestEtcd;
let store: Store;

beforeAll(async () => {
  etcd = await startEtcd();
  store = openStore({ urls: etcd.url });
});
afterAll(async () => {
  store?.close();
  await etcd?.close();
});

/** A watch from now on, and what it tells. */
function watch(fromRevision: number) {
  const told = { keys: [] as string[], lost: [] as string[] };
  const { close } = store.watch("/routectl/v1/", fromRevision, {
    onChanges: (changes) => {
      for (const change of changes) told.keys.push(change.type === "put" ? change.item.key : change.key);
    },
    onLost: (reason) => told.lost.push(reason),
  });
  return { ...told, close };
}

it("a watch that etcd does not take up is given up after two seconds, and the next one is not held up by it", async () => {
  const { revision } = await store.get("/routectl/v1/epoch");
  etcd.pause();
  const hung = watch(revision + 1);
  const waited = await waitFor("the watch to be given up", () => hung.lost.length > 0, 5000);
  expect(hung.lost).toEqual(["no watch within 2000 ms"]);
  expect(waited).toBeGreaterThan(1900);
  etcd.resume();
  const next = watch(revision + 1);
  await etcd.raw.put("/routectl/v1/services/demo/policy", "{}");
  await waitFor("the change", () => next.keys.length > 0, 2000);
  expect([next.keys, next.lost]).toEqual([["/routectl/v1/services/demo/policy"], []]);
  next.close();
  expect([hung.keys, hung.lost.length]).toEqual([[], 1]);
});

it("a watch that was taken up stays, though nothing happens", async () => {
  const { revision } = await store.get("/routectl/v1/epoch");
  const quiet = watch(revision + 1);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  expect(quiet.lost).toEqual([]);
  await etcd.raw.put("/routectl/v1/services/demo/policy", "{}");
  await waitFor("the change", () => quiet.keys.length === 1, 2000);
  quiet.close();
});

it("a watch from what etcd has compacted is given up at once, and nothing of it is told", async () => {
  const { revision } = await store.get("/routectl/v1/epoch");
  for (const value of ["{}", "{ }"]) await etcd.raw.put("/routectl/v1/services/demo/policy", value);
  await etcd.raw.compact();
  const late = watch(revision + 1);
  await waitFor("the watch to be given up", () => late.lost.length > 0, 1000);
  expect(late.lost).toHaveLength(1);
  expect(late.keys).toEqual([]);
});
