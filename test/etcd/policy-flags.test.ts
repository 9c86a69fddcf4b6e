import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
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
  [["--connect-timeout", "500ms"], { timeouts: { connectMs: 500 } }],
  [["--per-try-timeout", "1.5s"], { timeouts: { perTryMs: 1500 } }],
  [["--overall-timeout", "1m"], { timeouts: { overallMs: 60_000 } }],
  [["--stream-idle-timeout", "2h"], { timeouts: { streamIdleMs: 7_200_000 } }],
  [["--retry-non-idempotent", "on"], { retries: { nonIdempotent: true } }],
  [["--retry-non-idempotent", "off"], { retries: { nonIdempotent: false } }],
  [["--retry-budget", "30%"], { retries: { budgetPercent: 30 } }],
  [["--eject-after", "0"], { ejection: { consecutiveFailures: 0 } }],
  [["--eject-after-unanswered", "2"], { ejection: { unanswered: 2 } }],
  [["--eject-error-percent", "80"], { ejection: { errorPercent: 80 } }],
  [["--ejection-time", "3s"], { ejection: { baseMs: 3000 } }],
  [["--max-ejection-time", "1m"], { ejection: { maxMs: 60_000 } }],
  [["--max-ejected-percent", "100"], { ejection: { maxEjectedPercent: 100 } }],
  [["--limit", "key=header:x-user-id,rate=0.5,burst=20"], { limit: { key: "header:x-user-id", rate: 0.5, burst: 20 } }],
  [["--sticky-cookie", "sid"], { sticky: { cookie: "sid" } }],
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

it("keeping a hash key does not depend on what else is set", async () => {
  await cli.must("policy", "set", "shop", "--algorithm", "adaptive", "--hash-on", "path");
  await cli.must("policy", "set", "shop", "--max-attempts", "4");
  expect(await policy()).toMatchObject({ hashOn: "path", maxAttempts: 4 });
});

describe("fields that stay, and fields that go", () => {
  beforeEach(async () => {
    const value = { algorithm: "best", timeouts: { connectMs: 5 }, limit: { key: "address", rate: 5, burst: 1 } };
    await etcd.raw.put("/routectl/v1/services/shop/policy", JSON.stringify(value));
  });

  it("what is not given stays, also within a group", async () => {
    expect(await cli.must("policy", "set", "shop", "--per-try-timeout", "2s", "--limit", "rate=7")).toBe(
      "shop: timeouts.perTryMs=2s (was not set)\nshop: limit.rate=7 (was 5)\n",
    );
    expect(await policy()).toEqual({
      algorithm: "best",
      timeouts: { connectMs: 5, perTryMs: 2000 },
      limit: { key: "address", rate: 7, burst: 1 },
    });
  });

  it("none takes a field away, the last one its group, and --limit none all of it", async () => {
    await cli.must("policy", "set", "shop", "--per-try-timeout", "2s");
    await cli.must("policy", "set", "shop", "--connect-timeout", "none", "--limit", "none");
    expect(await policy()).toEqual({ algorithm: "best", timeouts: { perTryMs: 2000 } });
    expect(await cli.must("policy", "set", "shop", "--per-try-timeout", "none", "--top", "none")).toBe(
      "shop: timeouts.perTryMs removed (was 2s)\n",
    );
    expect(await policy()).toEqual({ algorithm: "best" });
  });

  it("what is so already writes nothing", async () => {
    const before = await etcd.raw.list();
    expect(await cli.must("policy", "set", "shop", "--limit", "rate=5", "--sticky-cookie", "none")).toBe(
      "shop: nothing to change\n",
    );
    expect(await etcd.raw.list()).toEqual(before);
  });

  it("a limit that is new must be whole", async () => {
    await cli.must("policy", "set", "shop", "--limit", "none");
    const { status, stderr } = await cli.run("policy", "set", "shop", "--limit", "rate=100,burst=20");
    expect([status, stderr]).toEqual([
      2,
      "routectl: policy.limit.key: is missing, such as address or header:x-user-id\n",
    ]);
  });

  it("the history says what has changed", async () => {
    await cli.must("policy", "set", "shop", "--limit", "rate=7", "--reason", "a sale");
    const [entry] = JSON.parse(await cli.must("history", "shop", "--limit", "1", "-o", "json"));
    expect(entry).toMatchObject({ action: "policy set", detail: "limit.rate=7 (was 5)", reason: "a sale" });
  });

  it("policy get shows each value as it is typed", async () => {
    await cli.must("policy", "set", "shop", "--retry-non-idempotent", "on", "--retry-budget", "30");
    const rows = (await cli.must("policy", "get", "shop")).split("\n").map((line) => line.split(/ {2,}/));
    expect(rows).toEqual([
      ["FIELD", "VALUE"],
      ["algorithm", "best"],
      ["timeouts.connectMs", "5ms"],
      ["limit.key", "address"],
      ["limit.rate", "5"],
      ["limit.burst", "1"],
      ["retries.nonIdempotent", "on"],
      ["retries.budgetPercent", "30 %"],
      [""],
    ]);
  });

  it.each([
    [["--per-try-timeout", "300"], "Give a time such as 300ms"],
    [["--per-try-timeout", "0ms"], "policy.timeouts.perTryMs: must be a whole number from 1"],
    [["--connect-timeout", "2m"], "policy.timeouts.connectMs: must be a whole number from 1 to 60000"],
    [["--retry-budget", "101"], "policy.retries.budgetPercent: must be a whole number from 0 to 100"],
    [["--retry-budget", "many"], "It must be a percentage"],
    [["--retry-non-idempotent", "yes"], "It must be one of on, off, none"],
    [["--ejection-time", "1ms"], "policy.ejection.baseMs: must be a whole number from 100"],
    [["--eject-after", "1001"], "policy.ejection.consecutiveFailures: must be"],
    [["--limit", "rate=100r/s"], "policy.limit.rate: must be a number of requests a second"],
    [["--limit", "100"], "of the form key=address,rate=100,burst=20"],
    [["--limit", "key=uid"], "policy.limit.key: must be header:NAME"],
    [["--sticky-cookie", "a-b"], "policy.sticky.cookie: must be a cookie's name"],
    [["--algorithm", "none"], "It must be one of adaptive"],
  ])("%j is refused in one line, with 2, and nothing is written", async (flags, says) => {
    const before = await etcd.raw.list();
    const { status, stdout, stderr } = await cli.run("policy", "set", "shop", ...flags);
    expect({ status, stdout, stderr }).toEqual({
      ...{ status: 2, stdout: "" },
      stderr: expect.stringMatching(/^routectl: [^\n]+\n$/),
    });
    expect(stderr).toContain(says);
    expect(await etcd.raw.list()).toEqual(before);
  });
});

it("the help has every flag under a heading, with its default", async () => {
  const help = await cli.must("policy", "set", "--help");
  const headings = [...help.matchAll(/^(\S.*):$/gm)].map(([, heading]) => heading);
  expect(headings.slice(0, 6)).toEqual([
    "Picking a peer",
    "Timeouts, such as 300ms, 2s or 1h",
    "Retries",
    "Ejection, for a while, of instances that fail; 0 is never",
    "Rate limit",
    "Options",
  ]);
  expect(help).toMatch(/--connect-timeout <time> +until an instance is connected \(1s\)/);
});
