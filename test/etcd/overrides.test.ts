import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { routectlFor } from "../support/routectl.ts";
import { waitFor } from "../support/wait.ts";
import { type Writes, writesTo } from "../support/writes.ts";

let etcd: TestEtcd;
let writes: Writes;
let replica: TestReplica;
let cli: ReturnType<typeof routectlFor>;

beforeAll(async () => {
  etcd = await startEtcd();
  writes = writesTo(etcd.url);
  cli = routectlFor(etcd.url);
  for (const [id, weight] of Object.entries({ "demo-1": 100, "demo-2": 100, "demo-3": 40 })) {
    await writes.register("demo", { id, weight });
  }
  replica = await startTestReplica(etcd.url);
});

beforeEach(async () => {
  await etcd.raw.deleteAll("/routectl/v1/overrides/");
  await listed("normal", { "demo-1": 100, "demo-2": 100, "demo-3": 40 });
});

afterAll(async () => {
  await replica?.stop();
  writes?.close();
  await etcd?.close();
});

const overrideKeys = () => etcd.raw.list("/routectl/v1/overrides/");

/** Waits until the published list has this mode and these weights. */
async function listed(mode: string, weights: Record<string, number>): Promise<void> {
  const wanted = JSON.stringify({ mode, weights });
  await waitFor(`the list to be ${wanted}`, async () => {
    const list = await replica.service("demo");
    const entries = (list?.instances ?? []).map(({ id, weight }) => [id, weight] as const);
    const found = Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
    return JSON.stringify({ mode: list?.mode, weights: found }) === wanted;
  });
}

it("weight set: exactly the weight that was typed, the others their base weight", async () => {
  const said = await cli.must("weight", "set", "demo", "demo-1=5", "demo-3=700", "--reason", "new disk");
  expect(said).toBe("demo: demo-1=5 (was 100)\ndemo: demo-3=700 (was 40)\n");
  await listed("manual", { "demo-1": 5, "demo-2": 100, "demo-3": 700 });
  const [first] = (await replica.service("demo"))!.instances;
  expect(first).toMatchObject({ id: "demo-3", override: { weight: 700, by: "tester", reason: "new disk" } });
});

it("drain takes an instance to 0, restore gives its weight back", async () => {
  await cli.must("drain", "demo", "demo-2", "--reason", "kernel update");
  await listed("manual", { "demo-1": 100, "demo-2": 0, "demo-3": 40 });
  expect(await cli.must("restore", "demo", "demo-2")).toContain("demo: restored demo-2");
  await listed("normal", { "demo-1": 100, "demo-2": 100, "demo-3": 40 });
  expect(await cli.must("restore", "demo", "demo-2")).toBe("demo: demo-2 is not drained\n");
});

describe("a drain over a manual weight", () => {
  const stored = async () => JSON.parse((await overrideKeys())[0]!.value);

  it("restore brings the manual weight back, as it was, though the instance was drained twice", async () => {
    await cli.must("weight", "set", "demo", "demo-1=10", "--reason", "new disk", "--by", "ann");
    const before = await stored();
    expect(await cli.must("drain", "demo", "demo-1")).toBe("demo: demo-1=0 (was 10)\n");
    await listed("manual", { "demo-1": 0, "demo-2": 100, "demo-3": 40 });
    const published = (await replica.service("demo"))!.instances.find(({ id }) => id === "demo-1")!.override!;
    expect(Object.keys(published).sort()).toEqual(["at", "by", "reason", "weight"]);
    const inForce = await cli.must("weight", "list", "demo", "-o", "json");
    expect(JSON.parse(inForce)).toEqual([{ service: "demo", id: "demo-1", ...published }]);
    expect(await cli.must("drain", "demo", "demo-1", "--ttl", "10m")).toBe("demo: demo-1=0 for 10m (was 0)\n");
    const keys = await etcd.raw.list();
    const said = "demo: restored demo-1=10 (was 0 by tester)";
    expect(await cli.must("restore", "demo", "demo-1", "--dry-run")).toBe(`${said} (dry run: nothing was written)\n`);
    expect(await etcd.raw.list()).toEqual(keys);
    expect(await cli.must("restore", "demo", "demo-1")).toBe(`${said}\n`);
    await listed("manual", { "demo-1": 10, "demo-2": 100, "demo-3": 40 });
    expect(await overrideKeys()).toMatchObject([{ lease: "0", value: JSON.stringify(before) }]);
    const history = JSON.parse(await cli.must("history", "demo", "-o", "json", "--limit", "4"));
    expect(history.map(({ action, detail }: Record<string, string>) => `${action}: ${detail}`)).toEqual([
      ...["restore: demo-1=10", "drain: demo-1=0 for 10m", "drain: demo-1=0", "weight set: demo-1=10"],
    ]);
  });

  it("the manual weight that comes back ends when it was to end", async () => {
    await cli.must("weight", "set", "demo", "demo-1=10", "--ttl", "6s");
    const { expiresAt } = await stored();
    await cli.must("drain", "demo", "demo-1");
    expect(await cli.must("restore", "demo", "demo-1")).toMatch(
      /^demo: restored demo-1=10 for [2-6]s \(was 0 by tester\)\n$/,
    );
    expect(await stored()).toMatchObject({ weight: 10, expiresAt });
    await waitFor("the lease to end", async () => (await overrideKeys()).length === 0);
    expect(Math.abs(Date.now() - expiresAt)).toBeLessThan(4000);
  });

  it("one whose time is over does not come back", async () => {
    await cli.must("weight", "set", "demo", "demo-1=10", "--ttl", "3s");
    const { expiresAt } = await stored();
    await cli.must("drain", "demo", "demo-1");
    await waitFor("its time to be over", () => Date.now() > expiresAt);
    expect(await cli.must("restore", "demo", "demo-1")).toBe("demo: restored demo-1 (was 0 by tester)\n");
    expect(await overrideKeys()).toEqual([]);
  });
});

it.each([[], ["--dry-run"]])("restore leaves a manual weight alone that is no drain %j", async (...options) => {
  await cli.must("weight", "set", "demo", "demo-1=40", "--by", "ann");
  const before = await etcd.raw.list();
  const { status, stdout, stderr } = await cli.run("restore", "demo", "demo-1", ...options);
  expect(stderr).toBe(
    "routectl: demo-1 is not drained, it has the manual weight 40 by ann: routectl weight clear demo demo-1 ends that\n",
  );
  expect([status, stdout]).toEqual([2, ""]);
  expect(await etcd.raw.list()).toEqual(before);
});

it("weight clear ends some manual weights, or all", async () => {
  await cli.must("weight", "set", "demo", "demo-1=1", "demo-2=2", "demo-3=3");
  await cli.must("weight", "clear", "demo", "demo-1");
  await listed("manual", { "demo-1": 100, "demo-2": 2, "demo-3": 3 });
  await cli.must("weight", "clear", "demo");
  await listed("normal", { "demo-1": 100, "demo-2": 100, "demo-3": 40 });
  const revision = await etcd.raw.revision();
  expect(await cli.must("weight", "clear", "demo")).toBe("demo: no manual weight to clear\n");
  expect(await etcd.raw.revision()).toBe(revision);
});

it("weight clear takes an instance that is named twice for one", async () => {
  await cli.must("weight", "set", "demo", "demo-1=1");
  expect(await cli.must("weight", "clear", "demo", "demo-1", "demo-1")).toBe(
    "demo: cleared demo-1 (was 1 by tester)\n",
  );
  const [entry] = JSON.parse(await cli.must("history", "demo", "-o", "json", "--limit", "1"));
  expect(entry).toMatchObject({ action: "weight clear", detail: "demo-1" });
});

it("--dry-run says what would change, and writes nothing", async () => {
  const before = await etcd.raw.list();
  for (const args of [
    ["weight", "set", "demo", "demo-1=5", "--ttl", "10m"],
    ["drain", "demo", "demo-1"],
  ]) {
    expect(await cli.must(...args, "--dry-run")).toMatch(/demo-1=.* \(was 100\) \(dry run: nothing was written\)\n$/);
  }
  expect(await etcd.raw.list()).toEqual(before);
});

it("one unknown instance among several: none of the weights is set", async () => {
  const { status } = await cli.run("weight", "set", "demo", "demo-1=5", "demo-9=5", "demo-2=5");
  expect(status).toBe(1);
  expect(await overrideKeys()).toEqual([]);
});

it("a hundred weights at once", async () => {
  const ids = Array.from({ length: 100 }, (_, i) => `big-${i}`);
  const instance = (id: string) => JSON.stringify({ id, address: "10.0.0.1", port: 80 });
  await etcd.raw.putAll(ids.map((id) => [`/routectl/v1/services/big/instances/${id}`, instance(id)]));
  await cli.must("weight", "set", "big", ...ids.map((id) => `${id}=5`));
  expect(await overrideKeys()).toHaveLength(100);
  await cli.must("weight", "clear", "big");
  expect(await overrideKeys()).toHaveLength(0);
});

it("the manual weight of an instance that is gone can be cleared", async () => {
  const override = JSON.stringify({ weight: 5, by: "tester", reason: "", at: 1 });
  await etcd.raw.put("/routectl/v1/overrides/gone/gone-1", override);
  await cli.must("weight", "clear", "gone", "gone-1");
  expect(await overrideKeys()).toEqual([]);
  await etcd.raw.put("/routectl/v1/overrides/gone/gone-1", override.replace("5", "0"));
  await cli.must("restore", "gone", "gone-1");
  expect(await overrideKeys()).toEqual([]);
});

describe("a manual weight with an end", () => {
  it("ends by etcd's lease, whoever else is there", async () => {
    const lonely = await startEtcd();
    const alone = routectlFor(lonely.url);
    try {
      await alone.must("service", "register", "demo", "--id", "demo-1", "--address", "10.0.0.1", "--port", "80");
      await alone.must("weight", "set", "demo", "demo-1=5", "--ttl", "2s");
      const [override] = await lonely.raw.list("/routectl/v1/overrides/");
      const { at, expiresAt } = JSON.parse(override!.value);
      expect(expiresAt - at).toBe(2000);
      await waitFor("the lease to end", async () => (await lonely.raw.list("/routectl/v1/overrides/")).length === 0);
      expect(await alone.must("weight", "list", "demo", "-o", "json")).toBe("[]\n");
    } finally {
      await lonely.close();
    }
  });

  it("takes the service back to normal", async () => {
    await cli.must("weight", "set", "demo", "demo-1=5", "--ttl", "2s");
    await listed("manual", { "demo-1": 5, "demo-2": 100, "demo-3": 40 });
    expect(
      await replica.metric('routectl_override_expiry_timestamp_seconds{service="demo",peer="demo-1"}'),
    ).toBeGreaterThan(0);
    await listed("normal", { "demo-1": 100, "demo-2": 100, "demo-3": 40 });
    expect(
      await replica.metric('routectl_override_expiry_timestamp_seconds{service="demo",peer="demo-1"}'),
    ).toBeUndefined();
  });

  it("set again without an end, stays", async () => {
    await cli.must("weight", "set", "demo", "demo-1=5", "--ttl", "2s");
    const [override] = await overrideKeys();
    expect(override!.lease).not.toBe("0");
    await cli.must("weight", "set", "demo", "demo-1=6");
    expect(await overrideKeys()).toMatchObject([{ lease: "0" }]);
  });

  it("is ended by ipconfig where it was written without a lease", async () => {
    const override = { weight: 5, by: "a script", reason: "", at: 1, expiresAt: Date.now() - 60_000 };
    await etcd.raw.put("/routectl/v1/overrides/demo/demo-1", JSON.stringify(override));
    await waitFor("the override to go", async () => (await overrideKeys()).length === 0);
  });
});
