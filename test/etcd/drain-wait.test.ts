import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { type Run, routectlFor } from "../support/routectl.ts";
import { waitFor } from "../support/wait.ts";
import { type Writes, writesTo } from "../support/writes.ts";
import { type FakeRouter, fakeService, startFakeRouter } from "./fake-router.ts";

/** Routers that are not there say what is in flight: with real ones it is in test/nginx/drain-wait.test.ts. */
let etcd: TestEtcd;
let writes: Writes;
let replica: TestReplica;
let routers: FakeRouter[];
let heartbeat: NodeJS.Timeout;
/** Those that report to ipconfig. */
let live: FakeRouter[];

beforeAll(async () => {
  etcd = await startEtcd();
  writes = writesTo(etcd.url);
  await writes.register("shop", { id: "shop-1" });
  replica = await startTestReplica(etcd.url);
  routers = await Promise.all(["edge-1", "edge-2"].map(startFakeRouter));
  const beat = async (): Promise<void> => {
    const list = await replica.service("shop").catch(() => undefined);
    if (list !== undefined) await Promise.all(live.map((router) => router.report(replica, list)));
    heartbeat = setTimeout(beat, 50);
  };
  live = [];
  await beat();
});

beforeEach(() => {
  live = [...routers];
  for (const router of routers) {
    router.isSilent = false;
    inFlight(router, 0);
  }
});

afterEach(async () => {
  await writes.clearWeights("shop").catch(() => undefined);
});

afterAll(async () => {
  clearTimeout(heartbeat);
  await Promise.all(routers.map((router) => router.close()));
  await replica?.stop();
  writes?.close();
  await etcd?.close();
});

const DRAINED = { weight: 0, by: "tester", reason: "", at: 1, expiresAt: null };

function inFlight(router: FakeRouter, count: number, override: object | null = DRAINED): void {
  const peer = { id: "shop-1", weight: 0, inFlight: count, override };
  router.answers.set("/v1/services/shop", fakeService("shop", [peer], { mode: "manual" }));
}

/** Waits until a router was asked so many times more. */
async function askedAgain(router: FakeRouter, times: number): Promise<void> {
  const before = router.asked;
  await waitFor(`${router.node} to be asked ${times} times`, () => router.asked >= before + times);
}

function drain(...args: string[]): Promise<Run> {
  const [first, second] = routers as [FakeRouter, FakeRouter];
  const env = { ROUTECTL_IPCONFIG: replica.url, ROUTECTL_ROUTER: `${first.url},${second.url}` };
  return routectlFor(etcd.url, env).run("drain", "shop", "shop-1", "--wait", ...args);
}

describe("drain --wait", () => {
  it("says what is left whenever that changes, and returns when nothing is, in any router", async () => {
    const [first, second] = routers as [FakeRouter, FakeRouter];
    inFlight(first, 2);
    inFlight(second, 1);
    let over = false;
    const running = drain().finally(() => {
      over = true;
    });
    await askedAgain(first, 2);
    inFlight(first, 0);
    await askedAgain(first, 8);
    expect(over).toBe(false);
    inFlight(second, 0);
    const { status, stdout, stderr } = await running;
    expect(stderr).toBe(
      "in flight at shop-1: 3 requests (edge-1: 2, edge-2: 1)\nin flight at shop-1: 1 request (edge-2: 1)\n",
    );
    expect(stdout).toMatch(
      /^shop: shop-1=0 .*\nrevision \d+ is applied .*\nnothing is in flight at shop-1 any more\n$/,
    );
    expect(status).toBe(0);
  });

  it("does not believe a moment's nothing: workers tell once a second", async () => {
    const [first] = routers as [FakeRouter];
    const running = drain();
    await askedAgain(first, 3);
    inFlight(first, 1);
    await askedAgain(first, 2);
    inFlight(first, 0);
    const idleAt = performance.now();
    const { status, stderr } = await running;
    expect({ status, stderr }).toEqual({ status: 0, stderr: "in flight at shop-1: 1 request (edge-1: 1)\n" });
    expect(performance.now() - idleAt).toBeGreaterThan(1050);
  });

  it("--timeout: exits with 8 and says how much is left; the drain stays", async () => {
    inFlight(routers[1]!, 7);
    const { status, stdout, stderr, ms } = await drain("--timeout", "2s");
    expect(stderr.split("\n").at(-2)).toMatch(
      /^routectl: time is up, and shop-1 still has 7 requests \(edge-2: 7\) in /,
    );
    expect([status, stdout]).toEqual([8, expect.not.stringContaining("nothing is in flight")]);
    expect(ms).toBeLessThan(5000);
    expect((await writes.store.list("/routectl/v1/overrides/")).items).toHaveLength(1);
  });

  it("a router that has a part in it, and that nobody has named, is asked for", async () => {
    const env = { ROUTECTL_IPCONFIG: replica.url, ROUTECTL_ROUTER: routers[0]!.url };
    const { status, stderr } = await routectlFor(etcd.url, env).run("drain", "shop", "shop-1", "--wait");
    expect(stderr).toMatch(/^routectl: router edge-2 can't be asked [^\n]+--router URL,URL\n$/);
    expect(status).toBe(3);
  });

  it("a router that stops answering is waited for; one that is gone from ipconfig is not", async () => {
    const [first, second] = routers as [FakeRouter, FakeRouter];
    inFlight(second, 1);
    let over = false;
    const running = drain("--timeout", "30").finally(() => {
      over = true;
    });
    await askedAgain(first, 2);
    second.isSilent = true;
    await askedAgain(first, 8);
    expect(over).toBe(false);
    live = [first];
    const { status, stderr } = await running;
    expect(stderr).toBe(
      "in flight at shop-1: 1 request (edge-2: 1)\nin flight at shop-1: what edge-2 has (no answer)\n",
    );
    expect(status).toBe(0);
  });

  it.each([
    ["ended", () => routers.map((router) => inFlight(router, 1, null)), "is not drained any more"],
    [
      "lost with the instance",
      () => routers.map(({ answers }) => answers.set("/v1/services/shop", fakeService("shop", []))),
      "shop-1 has left shop",
    ],
    ["lost with the service", () => routers.map(({ answers }) => answers.delete("/v1/services/shop")), "has left shop"],
  ])("a drain that has %s meanwhile is not one that is over", async (_, happens, says) => {
    for (const router of routers) inFlight(router, 1);
    const running = drain();
    await askedAgain(routers[0]!, 1);
    happens();
    const { status, stderr } = await running;
    expect(stderr).toContain(says);
    expect(status).toBe(8);
  });

  it("-o json keeps to JSON on stdout", async () => {
    inFlight(routers[0]!, 1);
    const running = drain("-o", "json");
    await askedAgain(routers[0]!, 2);
    inFlight(routers[0]!, 0);
    const { status, stdout } = await running;
    expect(JSON.parse(stdout)).toMatchObject({ service: "shop", changes: [expect.stringContaining("shop-1=0")] });
    expect(status).toBe(0);
  });

  it("--dry-run waits for nothing", async () => {
    inFlight(routers[0]!, 1);
    const { status, stdout } = await drain("--dry-run");
    expect([status, stdout]).toEqual([0, expect.stringContaining("dry run")]);
  });
});
