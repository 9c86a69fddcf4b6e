import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { waitFor } from "../support/wait.ts";

/** What other programs than routectl may leave in etcd. */
const PREFIX = "/routectl/v1";
const INSTANCE = `${PREFIX}/services/demo/instances/demo-1`;
const OVERRIDE = `${PREFIX}/overrides/demo/demo-1`;
const POLICY = `${PREFIX}/services/demo/policy`;
const good = { id: "demo-1", name: "demo-1", address: "10.0.0.1", port: 8080, weight: 100, metadata: { zone: "a" } };

let etcd: TestEtcd;
let replica: TestReplica;
let revision = 0;

beforeAll(async () => {
  etcd = await startEtcd();
  await etcd.raw.put(`${PREFIX}/services/demo/instances/demo-2`, JSON.stringify({ ...good, id: "demo-2" }));
  replica = await startTestReplica(etcd.url);
});

afterAll(async () => {
  await replica?.stop();
  await etcd?.close();
});

const seen = (): Promise<number> =>
  waitFor(`revision ${revision}`, async () => (await replica.json("/v1/routers")).revision >= revision);

async function put(key: string, value: string): Promise<void> {
  revision = await etcd.raw.put(key, value);
}

async function remove(key: string): Promise<void> {
  revision = await etcd.raw.delete(key);
  await seen();
}

const invalidValues = async (): Promise<number> =>
  (await replica.metric("routectl_invalid_values_total")) ?? Number.NaN;
const instances = async () => (await replica.service("demo"))?.instances ?? [];

/** It is counted and warned about, and the list stays as it is. */
async function expectIgnored(key: string, value: string): Promise<void> {
  const [before, countBefore] = [await instances(), await invalidValues()];
  await put(key, value);
  await waitFor("the value to be counted", async () => (await invalidValues()) === countBefore + 1);
  expect(replica.warnings).toContainEqual(expect.stringContaining(`ignored ${key} in etcd: `));
  expect(await instances()).toEqual(before);
}

describe("a value of an instance that is not valid", () => {
  beforeEach(async () => {
    await put(INSTANCE, JSON.stringify(good));
    await seen();
  });

  it.each([
    ["no JSON", "{"],
    ["empty", ""],
    ["null", "null"],
    ["a list", "[]"],
    ["a text", '"demo-1"'],
    ["a weight of NaN", JSON.stringify(good).replace("100", "NaN")],
    ["a weight of 1e999 and nothing else", '{"weight":1e999}'],
    ["a weight of 1e999", JSON.stringify(good).replace("100", "1e999")],
    ["a negative weight", JSON.stringify({ ...good, weight: -1 })],
    ["a weight above 1000", JSON.stringify({ ...good, weight: 1001 })],
    ["another id than the key's", JSON.stringify({ ...good, id: "demo-9" })],
    ["an unknown field", JSON.stringify({ ...good, wieght: 5 })],
    ["an unknown field __proto__", JSON.stringify(good).replace("{", '{"__proto__":{"weight":5},')],
    ["metadata __proto__", JSON.stringify(good).replace('"zone"', '"__proto__"')],
    ["port 70000", JSON.stringify({ ...good, port: 70000 })],
    ["a bad address", JSON.stringify({ ...good, address: "10.0.0.300" })],
    ["a name that routers refuse for its length in bytes", JSON.stringify({ ...good, name: "é".repeat(300) })],
    ["a name with half a character", JSON.stringify({ ...good, name: "\ud800" })],
    ["a huge value", JSON.stringify({ ...good, name: "x".repeat(1_000_000) })],
  ])("is ignored, and the value before stays in force: %s", async (_, value) => {
    expect(await instances()).toHaveLength(2);
    await expectIgnored(INSTANCE, value);
    expect((await instances()).find(({ id }) => id === "demo-1")).toMatchObject({ port: 8080, weight: 100 });
  });

  it("leaves the list with its key", async () => {
    await expectIgnored(INSTANCE, "{");
    await remove(INSTANCE);
    expect((await instances()).map(({ id }) => id)).toEqual(["demo-2"]);
  });

  it("makes way for a valid one", async () => {
    await expectIgnored(INSTANCE, "{");
    await put(INSTANCE, JSON.stringify({ ...good, port: 9090 }));
    await seen();
    expect((await instances()).find(({ id }) => id === "demo-1")).toMatchObject({ port: 9090 });
  });
});

describe("other values that are not valid", () => {
  const override = { weight: 5, by: "tester", reason: "", at: 1 };

  it.each([
    ["a negative weight", { ...override, weight: -5 }],
    ["no author", { weight: 5, reason: "", at: 1 }],
    ["an end before time", { ...override, expiresAt: -1 }],
    ["a reason longer than routers take", { ...override, reason: "é".repeat(300) }],
  ])("of an override: %s; the override before stays in force", async (_, value) => {
    await put(INSTANCE, JSON.stringify(good));
    await put(OVERRIDE, JSON.stringify(override));
    await seen();
    await expectIgnored(OVERRIDE, JSON.stringify(value));
    expect((await replica.service("demo"))?.mode).toBe("manual");
    await remove(OVERRIDE);
    expect((await replica.service("demo"))?.mode).toBe("normal");
  });

  it("of a policy; the policy before stays in force", async () => {
    await put(POLICY, '{"algorithm":"round-robin"}');
    await seen();
    await expectIgnored(POLICY, '{"algorithm":"consistent-hash"}');
    expect((await replica.service("demo"))?.policy).toEqual({ algorithm: "round-robin" });
    await remove(POLICY);
  });

  it.each([
    `${PREFIX}/services/UPPER/instances/x`,
    `${PREFIX}/services/demo/instances/a/b`,
    `${PREFIX}/services/demo/polices`,
    `${PREFIX}/overrides/demo`,
    `${PREFIX}/nothing/like/it`,
    `${PREFIX}/services/a\nb/policy`,
  ])("under a key outside of the scheme: %j", async (key) => {
    const before = await replica.json("/v1/services");
    const countBefore = await invalidValues();
    await etcd.raw.put(key, JSON.stringify(good));
    await waitFor("the key to be counted", async () => (await invalidValues()) === countBefore + 1);
    expect(await replica.json("/v1/services")).toEqual(before);
    expect(replica.warnings.at(-1)).not.toContain("\n");
    await etcd.raw.delete(key);
  });

  it("of the epoch; a new one is made, and the lists stay", async () => {
    const before = await instances();
    await put(`${PREFIX}/epoch`, "Not An Epoch");
    await waitFor("a new epoch", async () => /^[a-z0-9-]+$/.test((await etcd.raw.list(`${PREFIX}/epoch`))[0]!.value));
    const [epoch] = await etcd.raw.list(`${PREFIX}/epoch`);
    await waitFor("the new epoch to be published", async () => (await replica.poll()).snapshot?.epoch === epoch!.value);
    expect(await instances()).toEqual(before);
  });
});
