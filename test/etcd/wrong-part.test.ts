import { afterAll, beforeAll, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { routectlFor } from "../support/routectl.ts";
import { waitFor } from "../support/wait.ts";
import { type FakeRouter, fakeService, startFakeRouter } from "./fake-router.ts";

/** A URL at which another part answers than the one that is meant. */
let etcd: TestEtcd;
let replica: TestReplica;
let router: FakeRouter;
let cli: ReturnType<typeof routectlFor>;

beforeAll(async () => {
  etcd = await startEtcd();
  cli = routectlFor(etcd.url);
  await cli.must("service", "register", "demo", "--id", "demo-1", "--address", "10.0.0.1", "--port", "8080");
  replica = await startTestReplica(etcd.url);
  await waitFor("the list", async () => (await replica.service("demo")) !== undefined);
  router = await startFakeRouter("edge-1");
  router.answers.set("/v1/services/demo", fakeService("demo", []));
  router.missing = { error: "not-found", message: "try /v1/status, /v1/services or /metrics" };
});

afterAll(async () => {
  await router?.close();
  await replica?.stop();
  await etcd?.close();
});

it.each([
  ["etcd for an ipconfig", "wait --ipconfig", () => etcd.url, "no ipconfig (it answers 404)", "--ipconfig URL"],
  ["a router for an ipconfig", "wait --ipconfig", () => router.url, "no ipconfig (it answers 404)", "--ipconfig URL"],
  [
    "a router for an ipconfig",
    "score show demo --ipconfig",
    () => router.url,
    "no ipconfig (it answers 404)",
    "--ipconfig URL",
  ],
  ["etcd for a router", "peers demo --router", () => etcd.url, "no router (it answers 404)", "--router URL"],
  [
    "an ipconfig for a router",
    "peers demo --router",
    () => replica.url,
    "no router (it lists no peers)",
    "--router URL",
  ],
])("%s: %s", async (_, command, urlOf, what, hint) => {
  const { status, stderr, ms } = await cli.run(...command.split(" "), urlOf());
  expect(stderr).toMatch(/^routectl: [^\n]+\n$/);
  expect(stderr).toContain(`${urlOf()} is ${what}`);
  expect(stderr).toContain(hint);
  expect([status, ms < 5000]).toEqual([1, true]);
});
