import { afterEach, beforeEach, expect, test } from "vitest";
import { openStore, type Store } from "../../cli/store/etcd.ts";
import { registerInstance } from "../../cli/store/registration.ts";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { startRouter, type TestRouter } from "../support/router.ts";
import { waitFor } from "../support/wait.ts";

const WRITE = { by: "test", reason: "", dryRun: false };

let etcd: TestEtcd;
let store: Store;
let replica: TestReplica;
let router: TestRouter;

beforeEach(async () => {
  etcd = await startEtcd();
  store = openStore({ urls: etcd.url });
  replica = await startTestReplica(etcd.url);
  await register("shop", "a");
  await register("shop", "b");
  router = await startRouter({ ipconfig: replica.url });
  await waitFor("the first list", async () => (await ids("shop")) === "a,b");
});
afterEach(async () => {
  await router.close();
  await replica.stop();
  store.close();
  await etcd.close();
});

async function register(service: string, id: string): Promise<void> {
  await registerInstance(store, service, { id, address: "127.0.0.1", port: 9 }, WRITE);
}

async function ids(service: string): Promise<string> {
  const { peers } = await router.read<{ peers?: { id: string }[] }>(`/v1/services/${service}`);
  return (peers ?? []).map(({ id }) => id).join();
}

const epoch = async (): Promise<string> => (await router.read<{ epoch: string }>("/v1/status")).epoch;

test("etcd wiped: nothing is lost while services are registered again, one after the other", async () => {
  await register("other", "x");
  await waitFor("both services", async () => (await ids("other")) === "x");
  const before = await epoch();
  await etcd.wipe();
  await waitFor(
    "ipconfig to notice",
    () => replica.warnings.some((text) => text.includes("etcd has lost its data")),
    20_000,
  );
  await register("shop", "c");
  await waitFor("a new epoch", async () => (await epoch()) !== before, 20_000);
  await waitFor("the new list", async () => (await ids("shop")) === "c", 20_000);
  expect(await ids("other")).toBe("x");
});

test("etcd wiped, and ipconfig restarted, so that nobody knows what was there: the router does", async () => {
  await register("other", "x");
  await waitFor("both services", async () => (await ids("other")) === "x");
  const before = await epoch();
  await replica.stop();
  await etcd.wipe();
  replica = await startTestReplica(etcd.url, { port: Number(new URL(replica.url).port) });
  await register("shop", "c");
  await waitFor("the new list", async () => (await ids("shop")) === "c", 20_000);
  expect(await epoch()).not.toBe(before);
  const { revision } = await router.read<{ revision: number }>("/v1/status");
  await register("shop", "d");
  await waitFor("another list", async () => (await ids("shop")) === "c,d", 20_000);
  expect((await router.read<{ revision: number }>("/v1/status")).revision).toBeGreaterThan(revision);
  expect(await ids("other")).toBe("x");
});

test("a backup restored after a wipe: its epoch was left, so another one begins, and the router takes the restored list", async () => {
  const first = await epoch();
  const backup = await etcd.backUp();
  await waitFor("ipconfig to see etcd again", async () => (await replica.poll()).etcd === "connected", 20_000);
  await etcd.wipe();
  await waitFor(
    "ipconfig to notice",
    () => replica.warnings.some((text) => text.includes("etcd has lost its data")),
    20_000,
  );
  await register("shop", "c");
  await waitFor("a second epoch", async () => (await epoch()) !== first, 20_000);
  const second = await epoch();
  await replica.stop();
  await etcd.restoreFrom(backup);
  const { port } = new URL(replica.url);
  replica = await startTestReplica(etcd.url, { port: Number(port) });
  await waitFor("a third epoch", async () => ![first, second].includes(await epoch()), 30_000);
  await waitFor("the restored list", async () => (await ids("shop")) === "a,b", 20_000);
  expect((await router.read<{ mode: string }>("/v1/status")).mode).toBe("normal");
});
