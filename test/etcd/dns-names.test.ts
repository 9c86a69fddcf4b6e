import { afterAll, beforeAll, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { waitFor } from "../support/wait.ts";
import { type Writes, writesTo } from "../support/writes.ts";

/** Routers only ever see IP addresses. */
let etcd: TestEtcd;
let writes: Writes;
let replicas: TestReplica[];

const NOWHERE = "no-such-host.invalid";

beforeAll(async () => {
  etcd = await startEtcd();
  writes = writesTo(etcd.url);
  await writes.register("demo", { id: "by-ip", address: "10.0.0.1" });
  await writes.register("demo", { id: "by-name", address: "localhost" });
  await writes.register("demo", { id: "nowhere", address: NOWHERE });
  replicas = [await startTestReplica(etcd.url), await startTestReplica(etcd.url)];
});

afterAll(async () => {
  for (const replica of replicas ?? []) await replica.stop();
  writes?.close();
  await etcd?.close();
});

const addresses = async (replica: TestReplica): Promise<Record<string, string>> =>
  Object.fromEntries(((await replica.service("demo"))?.instances ?? []).map(({ id, address }) => [id, address]));

it("localhost is on the list with its IP address, the same on every replica", async () => {
  for (const replica of replicas) {
    await waitFor("the name to be resolved", async () => (await addresses(replica))["by-name"] !== undefined);
    expect((await addresses(replica))["by-name"]).toMatch(/^(127\.0\.0\.1|::1)$/);
  }
  expect(await addresses(replicas[0]!)).toEqual(await addresses(replicas[1]!));
});

it("a name that can't be resolved is left out, and warned about", async () => {
  const [replica] = replicas as [TestReplica];
  await waitFor("the warning", () => replica.warnings.some((text) => text.includes(`${NOWHERE} is not resolved`)));
  expect(Object.keys(await addresses(replica)).sort()).toEqual(["by-ip", "by-name"]);
});

it.each([
  '{"address":"elsewhere.example"}',
  '{"address":7}',
  "{",
])("%s in place of its address is ignored", async (value) => {
  const [replica] = replicas as [TestReplica];
  const before = await addresses(replica);
  const count = () => replica.metric("routectl_invalid_values_total");
  const countBefore = (await count())!;
  await etcd.raw.put("/routectl/v1/resolved/localhost", value);
  await waitFor("the value to be counted", async () => (await count()) === countBefore + 1);
  await writes.setWeight("demo", "by-name", 5);
  await waitFor("a change", async () => (await replica.service("demo"))?.mode === "manual");
  expect(await addresses(replica)).toEqual(before);
  await writes.clearWeights("demo");
});

it("an instance that moves to a name, and away from it, is followed", async () => {
  const [replica] = replicas as [TestReplica];
  const addressIs = (address: RegExp) =>
    waitFor(`address ${address}`, async () => address.test((await addresses(replica))["by-ip"] ?? ""));
  await writes.register("demo", { id: "by-ip", address: "localhost" });
  await addressIs(/^(127\.0\.0\.1|::1)$/);
  await writes.register("demo", { id: "by-ip", address: "10.0.0.2" });
  await addressIs(/^10\.0\.0\.2$/);
});
