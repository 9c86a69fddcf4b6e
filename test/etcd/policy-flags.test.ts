import { afterAll, beforeAll, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { routectlFor } from "../support/routectl.ts";

let etcd: TestEtcd;
let cli: ReturnType<typeof routectlFor>;
beforeAll(async () => {
  etcd = await startEtcd();
  cli = routectlFor(etcd.url);
  await cli.run("service", "register", "shop", "--id", "a", "--address", "10.0.0.1", "--port", "80");
});
afterAll(() => etcd.close());

const policy = async (): Promise<Record<string, unknown>> =>
  JSON.parse((await cli.run("policy", "get", "shop", "-o", "json")).stdout) as Record<string, unknown>;

it.each([
  [["--algorithm", "round-robin"], { algorithm: "round-robin" }],
  [
    ["--algorithm", "consistent-hash", "--hash-on", "cookie:uid"],
    { algorithm: "consistent-hash", hashOn: "cookie:uid" },
  ],
  [["--max-attempts", "2"], { maxAttempts: 2 }],
  [["--top", "3"], { top: 3 }],
  [["--status-port", "9200"], { statusPort: 9200 }],
  [["--slow-start-ms", "0"], { slowStartMs: 0 }],
])("policy set %j is in the policy", async (flags, expected) => {
  const set = await cli.run("policy", "set", "shop", ...flags);
  expect(set.stderr).toBe("");
  expect(await policy()).toMatchObject(expected);
});

it("a hash key goes with its algorithm, and with none", async () => {
  await cli.run("policy", "set", "shop", "--algorithm", "consistent-hash", "--hash-on", "header:x-user-id");
  await cli.run("policy", "set", "shop", "--algorithm", "weighted-random");
  expect(await policy()).not.toHaveProperty("hashOn");
  await cli.run("policy", "set", "shop", "--hash-on", "path");
  expect(await policy()).toMatchObject({ algorithm: "weighted-random", hashOn: "path" });
  await cli.run("policy", "set", "shop", "--hash-on", "none");
  expect(await policy()).not.toHaveProperty("hashOn");
});
