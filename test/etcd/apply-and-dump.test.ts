import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { parse } from "yaml";
import { openStore } from "../../cli/store/etcd.ts";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { routectlFor } from "../support/routectl.ts";
import { type Writes, writesTo } from "../support/writes.ts";

let etcd: TestEtcd;
let writes: Writes;
let cli: ReturnType<typeof routectlFor>;

beforeAll(async () => {
  etcd = await startEtcd();
  writes = writesTo(etcd.url);
  cli = routectlFor(etcd.url);
});

beforeEach(async () => {
  await etcd.raw.deleteAll();
});

afterAll(async () => {
  writes?.close();
  await etcd?.close();
});

/** Names that YAML would take for something else without quotes. */
const MANIFEST = `services:
  orders:
    policy: { hashOn: "header:x-user-id", maxAttempts: 2, algorithm: consistent-hash }
    instances:
      - { id: orders-1, address: 10.0.0.1, port: 8080, weight: 0, name: "The first: 'one'" }
      - { id: orders-2, address: "2001:db8::1", port: 8080, metadata: { zone: "yes", version: "1.0" } }
      - { id: "1e3", address: orders.example.com, port: 65535, weight: 1000 }
  "null":
    instances: [{ id: "true", address: 10.0.0.2, port: 1 }]
  "0123":
    policy: { algorithm: round-robin }
`;

const apply = async (manifest: string, ...options: string[]): Promise<string> => {
  const { status, stdout, stderr } = await cli.runWith(manifest, "apply", "-f", "-", ...options);
  if (status !== 0) throw new Error(stderr);
  return stdout;
};
/** What applying it would change. */
const compare = async (manifest: string): Promise<{ status: number | null; stdout: string }> => {
  const { status, stdout } = await cli.runWith(manifest, "apply", "-f", "-", "--dry-run");
  return { status, stdout };
};
const values = async (): Promise<Record<string, unknown>> =>
  Object.fromEntries(
    (await etcd.raw.list("/routectl/v1/services/")).map(({ key, value }) => [
      key.slice("/routectl/v1/services/".length),
      JSON.parse(value),
    ]),
  );

it("what was applied is what dump says, and what dump says can be applied anywhere", async () => {
  await apply(MANIFEST);
  const dumped = await cli.must("dump");
  const elsewhere = routectlFor(etcd.url, { ROUTECTL_PREFIX: "/elsewhere" });
  const { stderr } = await elsewhere.runWith(dumped, "apply", "-f", "-");
  expect(stderr).toBe("");
  expect(await elsewhere.must("dump")).toBe(dumped);
  expect(await values()).toEqual({
    "orders/policy": { algorithm: "consistent-hash", hashOn: "header:x-user-id", maxAttempts: 2 },
    "orders/instances/orders-1": {
      ...{ id: "orders-1", name: "The first: 'one'", address: "10.0.0.1", port: 8080, weight: 0, metadata: {} },
    },
    "orders/instances/orders-2": {
      ...{ id: "orders-2", name: "orders-2", address: "2001:db8::1", port: 8080, weight: 100 },
      metadata: { zone: "yes", version: "1.0" },
    },
    "orders/instances/1e3": {
      ...{ id: "1e3", name: "1e3", address: "orders.example.com", port: 65535, weight: 1000, metadata: {} },
    },
    "null/instances/true": {
      ...{ id: "true", name: "true", address: "10.0.0.2", port: 1, weight: 100, metadata: {} },
    },
    "0123/policy": { algorithm: "round-robin" },
  });
});

it("says nothing to change the second time, and writes nothing", async () => {
  await apply(MANIFEST);
  const before = await etcd.raw.list();
  expect(await apply(MANIFEST)).toBe("orders: nothing to change\nnull: nothing to change\n0123: nothing to change\n");
  expect(await apply(await cli.must("dump"), "--prune")).not.toContain("weight");
  expect(await etcd.raw.list()).toEqual(before);
});

it("a policy that says the same in another order is no change", async () => {
  await apply(MANIFEST);
  const other = `services: {orders: {policy: {algorithm: consistent-hash, maxAttempts: 2, hashOn: "header:x-user-id"}}}`;
  expect(await apply(other)).toBe("orders: nothing to change\n");
});

const WHOLE_POLICY = `services:
  orders:
    policy:
      algorithm: consistent-hash
      hashOn: header:x-user-id
      maxAttempts: 2
      top: 50
      statusPort: 9200
      slowStartMs: 0
      score: { cpu: 0.5, inFlight: 0 }
      timeouts: { connectMs: 500, perTryMs: 2000, overallMs: 5000, streamIdleMs: 60000 }
      retries: { nonIdempotent: true, budgetPercent: 0 }
      ejection: { consecutiveFailures: 0, unanswered: 2, errorPercent: 100, baseMs: 100, maxMs: 100, maxEjectedPercent: 0 }
      rules:
        - { match: { on: header:x-beta, equals: "1" }, subset: { version: v2 } }
        - { match: { on: path, regex: '^/v[23]/' }, percent: 50, hashOn: address, subset: { version: v2, "a.b": "" } }
        - { percent: 0.5, subset: { version: v3 } }
      limit: { key: address, rate: 0.5, burst: 20 }
      sticky: { cookie: sid }
    instances: []
`;

it("a policy with all that there is goes through apply, dump, and apply again as it is", async () => {
  const said = await apply(WHOLE_POLICY);
  expect(said).toMatch(
    /^orders: policy: algorithm=consistent-hash \(was not set\); [^\n]*; add 0\.5 % → version=v3\n$/,
  );
  expect((await values())["orders/policy"]).toEqual(parse(WHOLE_POLICY).services.orders.policy);
  const dumped = await cli.must("dump");
  expect(parse(dumped)).toEqual(parse(WHOLE_POLICY));
  expect(await apply(dumped)).toBe("orders: nothing to change\n");
});

it("of a policy that changes, says what does", async () => {
  await apply(WHOLE_POLICY);
  const other = WHOLE_POLICY.replace("perTryMs: 2000, ", "").replace("percent: 0.5", "percent: 5");
  const { stdout } = await compare(other);
  expect(stdout).toBe(
    "orders: policy: timeouts.perTryMs removed (was 2s); 5 % → version=v3 (was 0.5 %) (dry run: nothing was written)\n",
  );
});

it("--dry-run says what would change, and writes nothing", async () => {
  const { status, stdout } = await compare(MANIFEST);
  expect(stdout).toContain("orders: add orders-2 at [2001:db8::1]:8080, weight 100");
  expect(stdout.match(/dry run: nothing was written/g)).toHaveLength(3);
  expect(await etcd.raw.list()).toEqual([]);
  expect(status).toBe(6);
  await apply(MANIFEST);
  expect((await compare(MANIFEST)).status).toBe(0);
});

it("leaves alone what the file does not name", async () => {
  await writes.register("orders", { id: "orders-9" });
  await writes.register("billing", { id: "billing-1" });
  await writes.setWeight("orders", "orders-9", 5);
  await apply(MANIFEST);
  const found = await values();
  expect(found).toHaveProperty(["orders/instances/orders-9"]);
  expect(found).toHaveProperty(["billing/instances/billing-1"]);
  expect(await etcd.raw.list("/routectl/v1/overrides/")).toHaveLength(1);
});

it("--prune also removes instances, with their manual weights, but none that has registered itself", async () => {
  await apply(MANIFEST);
  await writes.register("orders", { id: "orders-9" });
  await writes.setWeight("orders", "orders-9", 5);
  await writes.register("billing", { id: "billing-1" });
  const key = "/routectl/v1/services/orders/instances/self";
  const value = JSON.stringify({ id: "self", address: "10.0.0.9", port: 80 });
  const lease = await writes.store.grantLease(600);
  await writes.store.commit([{ key, modRevision: 0 }], [{ put: key, value, lease }]);

  const said = await apply(MANIFEST, "--prune");
  expect(said).toContain(
    "orders: remove orders-9 at 10.0.0.1:8080, weight 100\norders: clear the weight of orders-9\n",
  );
  const found = await values();
  expect(found).not.toHaveProperty(["orders/instances/orders-9"]);
  expect(found).toHaveProperty(["orders/instances/self"]);
  expect(found).toHaveProperty(["billing/instances/billing-1"]);
  expect(await etcd.raw.list("/routectl/v1/overrides/")).toEqual([]);
});

it("--prune removes a service that the file names with nothing in it: instances, policy and manual weights", async () => {
  await apply(MANIFEST);
  await writes.setWeight("orders", "orders-1", 5);
  const orphan = JSON.stringify({ weight: 5, by: "a script", reason: "", at: 1 });
  await etcd.raw.put("/routectl/v1/overrides/orders/orders-8", orphan);
  const before = await values();
  await apply("services: {}", "--prune");
  await apply("services: {orders: {}}");
  expect(await values()).toEqual(before);

  const said = await apply("services: {orders: {}, '0123': {}}", "--prune");
  expect(said).toContain("orders: remove orders-1 at 10.0.0.1:8080, weight 0\norders: clear the weight of orders-1\n");
  expect(said).toContain(
    "orders: remove the policy: hashOn=header:x-user-id; maxAttempts=2; algorithm=consistent-hash\norders: clear the weight of orders-8\n",
  );
  expect(said).toContain("0123: remove the policy: algorithm=round-robin\n");
  expect(Object.keys(await values())).toEqual(["null/instances/true"]);
  expect(await etcd.raw.list("/routectl/v1/overrides/")).toEqual([]);
  const listed = JSON.parse(await cli.must("service", "list", "-o", "json"));
  expect(listed.map(({ service }: { service: string }) => service)).toEqual(["null"]);
  expect(await cli.must("dump")).not.toContain("orders");
  expect(JSON.parse(await cli.must("history", "0123", "-o", "json"))[0]).toMatchObject({ action: "apply" });
});

it("--prune leaves the policy of a service whose instances have registered themselves", async () => {
  const key = "/routectl/v1/services/orders/instances/self";
  const value = JSON.stringify({ id: "self", address: "10.0.0.9", port: 80 });
  await apply("services: {orders: {policy: {algorithm: best}}}");
  const lease = await writes.store.grantLease(600);
  await writes.store.commit([{ key, modRevision: 0 }], [{ put: key, value, lease }]);
  expect(await apply("services: {orders: {}}", "--prune")).toBe("orders: nothing to change\n");
  expect(Object.keys(await values())).toEqual(["orders/instances/self", "orders/policy"]);
});

it("a service without policy and instances is none, and a file that asks for one makes none", async () => {
  const orphan = JSON.stringify({ weight: 5, by: "a script", reason: "", at: 1 });
  await etcd.raw.put("/routectl/v1/overrides/left/left-1", orphan);
  const said = "there is no such service, and the file gives it neither a policy nor instances: nothing to change";
  expect(await apply("services: {orders: {}, left: {}}")).toBe(`orders: ${said}\nleft: ${said}\n`);
  expect(await apply("services: {left: {}}", "--prune")).toBe("left: clear the weight of left-1\n");
  await apply("services: {orders: {policy: {algorithm: best}}}");
  expect(await apply("services: {orders: {}}")).toBe("orders: nothing to change\n");
});

it("takes a service with more instances than a transaction holds", async () => {
  const lines = Array.from({ length: 300 }, (_, i) => `      - {id: i${i}, address: 10.0.${i % 256}.1, port: 80}`);
  await apply(`services:\n  wide:\n    instances:\n${lines.join("\n")}\n`);
  expect(await etcd.raw.list("/routectl/v1/services/wide/instances/")).toHaveLength(300);
});

it("an instance that has registered itself still goes with its lease after it was changed by hand", async () => {
  const store = openStore({ urls: etcd.url });
  const lease = await store.keepLease(2, () => undefined);
  const key = store.keys.instance("orders", "self");
  const value = { id: "self", name: "self", address: "10.0.0.9", port: 1, weight: 100, metadata: {} };
  await store.commit([{ key, modRevision: 0 }], [{ put: key, value: JSON.stringify(value), lease: lease.id }]);
  await apply("services: { orders: { instances: [{ id: self, address: 10.0.0.9, port: 2 }] } }");
  const { status } = await cli.run("service", "register", "orders", "--id", "self", "--weight", "7");
  expect(status).toBe(0);
  expect((await store.get(key)).item).toMatchObject({ lease: lease.id });
  await lease.stop();
  expect((await store.get(key)).item).toBeUndefined();
  store.close();
});
