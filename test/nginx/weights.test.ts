import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MAIN, startTestStack, type TestStack, withoutScores } from "../support/stack.ts";
import { sendRequests } from "../support/traffic.ts";
import { waitFor } from "../support/wait.ts";

interface Peers {
  mode: string;
  algorithm: string;
  revision: number;
  peers: {
    id: string;
    weight: number;
    share: number;
    state: string;
    override: { by: string; reason: string } | null;
  }[];
}

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
  await withoutScores(stack);
  // By weight alone: on a busy machine adaptive would see differences between equal instances.
  await stack.run("policy", "set", "demo", "--algorithm", "weighted-random", "--wait");
});
afterAll(() => stack.close());

test("without a manual weight all instances get about equal parts", async () => {
  const { instances, failed } = await sendRequests(stack.router, 3000);
  expect(failed).toBe(0);
  for (const id of ["demo-1", "demo-2", "demo-3"]) {
    expect(instances[id]).toBeGreaterThan(850);
    expect(instances[id]).toBeLessThan(1150);
  }
});

test("an instance of weight 0 gets nothing once --wait has returned, and is back after the TTL", async () => {
  const set = await stack.run("weight", "set", "demo", "demo-1=0", "--ttl", "8s", "--reason", "test", "--wait");
  expect(set.stderr).toBe("");
  expect(set.status).toBe(0);
  expect(set.stdout).toContain("demo-1=0 for 8s (was 100)");

  const during = await sendRequests(stack.router, 1000);
  expect(during.failed).toBe(0);
  expect(during.instances["demo-1"]).toBeUndefined();

  const peers = await stack.json<Peers>("peers", "demo");
  expect(peers.mode).toBe("manual");
  const drained = peers.peers.find(({ id }) => id === "demo-1")!;
  expect(drained).toMatchObject({ weight: 0, share: 0, state: "drained", override: { reason: "test" } });
  const table = await stack.run("peers", "demo");
  expect(table.stdout).toMatch(/demo-1 .* drained +0 by .* \(test\), ends in/);

  await waitFor("the override's end", async () => (await stack.json<Peers>("peers", "demo")).mode === "normal");
  const after = await sendRequests(stack.router, 600);
  expect(after.failed).toBe(0);
  expect(after.instances["demo-1"]).toBeGreaterThan(120);

  const history = await stack.json<{ action: string; detail: string; reason: string }[]>("history", "demo");
  expect(history[0]).toMatchObject({ action: "weight set", detail: "demo-1=0 for 8s", reason: "test" });
});

// Of 10,000 draws, some three in a thousand runs would be further off by chance.
test("40,000 requests split by 60/30/10 within 1.5 percentage points", async () => {
  await stack.run("weight", "set", "demo", "demo-1=60", "demo-2=30", "demo-3=10", "--wait");
  const { instances, failed } = await sendRequests(stack.router, 40_000);
  expect(failed).toBe(0);
  expect(Math.abs(instances["demo-1"]! / 40_000 - 0.6)).toBeLessThan(0.015);
  expect(Math.abs(instances["demo-2"]! / 40_000 - 0.3)).toBeLessThan(0.015);
  expect(Math.abs(instances["demo-3"]! / 40_000 - 0.1)).toBeLessThan(0.015);
  const cleared = await stack.run("weight", "clear", "demo", "--wait");
  expect(cleared.status).toBe(0);
  expect((await stack.json<Peers>("peers", "demo")).mode).toBe("normal");
});

test("drain and restore tell their story in status and history", async () => {
  expect((await stack.run("drain", "demo", "demo-2", "--reason", "kernel update", "--wait")).status).toBe(0);
  expect((await sendRequests(stack.router, 500)).instances["demo-2"]).toBeUndefined();
  const status = await stack.json<{ services: { service: string; mode: string; healthy: number }[] }>("status");
  expect(status.services).toContainEqual(expect.objectContaining({ service: "demo", mode: "manual", healthy: 2 }));
  expect((await stack.run("restore", "demo", "demo-2", "--wait")).status).toBe(0);
  expect((await sendRequests(stack.router, 500)).instances["demo-2"]).toBeGreaterThan(100);
  const history = await stack.run("history", "demo", "--limit", "2");
  expect(history.stdout).toMatch(/restore .*\n.*drain .*kernel update/);
});

test("round-robin takes strict turns in each worker, and best sends all to the head of the list", async () => {
  await stack.run("policy", "set", "demo", "--algorithm", "round-robin", "--wait");
  const turns = await sendRequests(stack.router, 3000);
  for (const id of ["demo-1", "demo-2", "demo-3"]) {
    // Two workers may each stand at another place of their turn.
    expect(Math.abs(turns.instances[id]! - 1000)).toBeLessThanOrEqual(4);
  }
  await stack.run("policy", "set", "demo", "--algorithm", "best", "--wait");
  const { peers } = await stack.json<Peers>("peers", "demo");
  const best = await sendRequests(stack.router, 300);
  expect(best.instances).toEqual({ [peers[0]!.id]: 300 });
  await stack.run("policy", "set", "demo", "--algorithm", "weighted-random", "--wait");
});

test("when nobody takes requests the client gets 503 with a reason, from the access phase", async () => {
  await stack.run("weight", "set", "demo", "demo-1=0", "demo-2=0", "demo-3=0", "--wait");
  const response = await fetch(`${stack.router}/demo/`);
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("1");
  expect(await response.json()).toMatchObject({ error: "no-instance" });
  await stack.run("weight", "clear", "demo", "--wait");
  const unknown = await fetch(`${stack.router}/nothing/`);
  expect(unknown.status).toBe(503);
  expect(await unknown.json()).toMatchObject({ error: "unknown-service" });
});

test("a change in one service leaves the tables of the others alone", async () => {
  await stack.run("service", "register", "other", "--id", "other-1", "--address", "127.0.0.1", "--port", "9", "--wait");
  const versions = async (): Promise<Record<string, number>> => {
    const answer = (await (await fetch(`${stack.admin}/v1/services`)).json()) as {
      services: { service: string; tableVersion: number }[];
    };
    return Object.fromEntries(answer.services.map(({ service, tableVersion }) => [service, tableVersion]));
  };
  const before = await versions();
  await stack.run("weight", "set", "other", "other-1=7", "--wait");
  const after = await versions();
  expect(after.demo).toBe(before.demo);
  expect(after.other).not.toBe(before.other);
  // A full snapshot, as after a restart of ipconfig, brings nothing new either.
  process.kill(stack.pidOf("ipconfig"), "SIGKILL");
  const again = spawn(
    process.execPath,
    [MAIN, "ipconfig", "--listen", new URL(stack.ipconfig).host, "--etcd", stack.etcd],
    {
      stdio: "ignore",
    },
  );
  await waitFor("ipconfig to be back", async () => (await stack.run("wait")).status === 0);
  await stack.run("weight", "clear", "other", "--wait");
  expect((await versions()).demo).toBe(before.demo);
  await stack.run("service", "deregister", "other", "other-1", "--wait");
  await waitFor("the service to be gone", async () => (await versions()).other === undefined);
  again.kill("SIGTERM");
  await once(again, "exit");
});
