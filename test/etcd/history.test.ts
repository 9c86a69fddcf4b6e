import { afterAll, beforeAll, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { routectlFor } from "../support/routectl.ts";
import { type Writes, writesTo } from "../support/writes.ts";

interface Entry {
  readonly revision: number;
  readonly by: string;
  readonly action: string;
  readonly detail: string;
  readonly reason: string;
}

let etcd: TestEtcd;
let writes: Writes;
let cli: ReturnType<typeof routectlFor>;

beforeAll(async () => {
  etcd = await startEtcd();
  writes = writesTo(etcd.url);
  cli = routectlFor(etcd.url);
});

afterAll(async () => {
  writes?.close();
  await etcd?.close();
});

const history = async (...args: string[]): Promise<Entry[]> =>
  JSON.parse(await cli.must("history", ...args, "-o", "json"));
const entryKeys = (service: string) => etcd.raw.list(`/routectl/v1/history/${service}/`);

it("says who did what and why, newest first, with the revision of the change itself", async () => {
  await writes.register("demo", { id: "demo-1" });
  await cli.must("weight", "set", "demo", "demo-1=5", "--reason", "new disk");
  const [override] = await etcd.raw.list("/routectl/v1/overrides/demo/");
  await cli.must("weight", "clear", "demo", "--by", "ann");
  const [cleared, set, registered] = await history("demo");
  expect(set).toMatchObject({ action: "weight set", detail: "demo-1=5", by: "tester", reason: "new disk" });
  expect(set!.revision).toBe(override!.modRevision);
  expect(cleared).toMatchObject({ action: "weight clear", detail: "demo-1", by: "ann" });
  expect(registered).toMatchObject({ action: "service register", detail: "demo-1 at 10.0.0.1:8080, weight 100" });
  expect(await history("demo", "--limit", "1")).toEqual([cleared]);
});

it("every change is in the transaction of its entry", async () => {
  const registered = await writes.register("together", { id: "a" });
  const set = await writes.setWeight("together", "a", 5);
  const entries = await entryKeys("together");
  expect(entries.map(({ modRevision }) => modRevision)).toEqual([registered, set]);
  const [instance] = await etcd.raw.list("/routectl/v1/services/together/");
  const [override] = await etcd.raw.list("/routectl/v1/overrides/together/");
  expect([instance!.modRevision, override!.modRevision]).toEqual([registered, set]);
});

it("of a service that is gone, it is still there", async () => {
  await writes.register("gone", { id: "gone-1" });
  await writes.deregister("gone", "gone-1");
  expect((await history("gone")).map(({ action }) => action)).toEqual(["service deregister", "service register"]);
});

it("keeps a thousand entries, the newest", async () => {
  const entry = (n: number) => JSON.stringify({ at: n, by: "tester", action: "test", detail: `${n}`, reason: "" });
  // Ids begin with a revision: all of these come before any that this etcd has had.
  const keyOf = (n: number) => `/routectl/v1/history/long/${"0".repeat(16)}-${String(n).padStart(8, "0")}`;
  await etcd.raw.putAll(Array.from({ length: 1000 }, (_, n) => [keyOf(n), entry(n)]));
  await writes.register("long", { id: "long-1" });
  const entries = await entryKeys("long");
  expect(entries.length).toBeGreaterThan(900);
  expect(entries.length).toBeLessThanOrEqual(1000);
  expect(JSON.parse(entries.at(-1)!.value)).toMatchObject({ action: "service register" });
  expect(JSON.parse(entries[0]!.value).detail).not.toBe("0");
});

it("passes over entries that are not valid", async () => {
  await writes.register("spoilt", { id: "a" });
  const entry = { at: 1, by: "x", action: "x", detail: "x", reason: "x" };
  const garbage = [
    "{",
    "null",
    "[]",
    '"x"',
    "{}",
    JSON.stringify({ ...entry, at: -1 }),
    JSON.stringify({ ...entry, at: 2 ** 53 - 1 }),
  ];
  await etcd.raw.putAll(garbage.map((value, n) => [`/routectl/v1/history/spoilt/garbage-${n}`, value]));
  expect((await history("spoilt")).map(({ action }) => action)).toEqual(["service register"]);
  expect(await cli.must("history", "spoilt")).toContain("service register");
});
