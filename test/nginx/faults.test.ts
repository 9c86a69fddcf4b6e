import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { childrenOf, isAlive, MAIN, startTestStack, type TestStack } from "../support/stack.ts";
import { failuresIn, sharesOf, startTraffic, type Traffic } from "../support/traffic.ts";
import { waitFor } from "../support/wait.ts";

const PER_SECOND = 200;

interface RouterStatus {
  mode: string;
  revision: number;
  ipconfig: string;
  leaderPid: number;
  workers: { pid: number; revision: number }[];
}

let stack: TestStack;
let traffic: Traffic;
const extra: ChildProcess[] = [];

beforeEach(async () => {
  stack = await startTestStack();
  traffic = startTraffic(stack.router, PER_SECOND);
  await waitFor("traffic to flow", () => traffic.outcomes.length > 100);
});
afterEach(async () => {
  await traffic.stop();
  for (const child of extra.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      // Not SIGKILL: nginx's workers would stay.
      child.kill("SIGTERM");
      await once(child, "exit");
    }
  }
  await stack.close();
});

async function status(): Promise<RouterStatus> {
  return (await (await fetch(`${stack.admin}/v1/status`)).json()) as RouterStatus;
}

async function modeBecomes(mode: string, timeoutMs: number): Promise<number> {
  return waitFor(`mode ${mode}`, async () => (await status()).mode === mode, timeoutMs);
}

function startIpconfig(listen: string): void {
  extra.push(
    spawn(process.execPath, [MAIN, "ipconfig", "--listen", listen, "--etcd", stack.etcd], { stdio: "ignore" }),
  );
}

test("ipconfig killed: no request fails, fallback keeps the weights, and all is normal when it is back", async () => {
  await stack.run("weight", "set", "demo", "demo-1=60", "demo-2=30", "demo-3=10", "--wait");
  process.kill(stack.pidOf("ipconfig"), "SIGKILL");
  expect(await modeBecomes("fallback", 8000)).toBeLessThan(7000);
  const from = traffic.outcomes.length;
  await waitFor("a second of fallback traffic", () => traffic.outcomes.length > from + 600);
  const shares = sharesOf(traffic.outcomes.slice(from));
  expect(shares["demo-1"]).toBeGreaterThan(0.5);
  expect(shares["demo-3"]).toBeLessThan(0.17);
  const peers = await stack.json<{ mode: string }>("peers", "demo");
  expect(peers.mode).toBe("fallback");
  expect(await (await fetch(`${stack.admin}/metrics`)).text()).toContain(
    'routectl_service_mode{service="demo",mode="fallback"} 1',
  );

  startIpconfig(new URL(stack.ipconfig).host);
  await waitFor("ipconfig to answer", () =>
    fetch(`${stack.ipconfig}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  await modeBecomes("normal", 3000);
  expect(failuresIn(await traffic.stop())).toEqual([]);
});

test("ipconfig paused: the router notices by its deadline", async () => {
  process.kill(stack.pidOf("ipconfig"), "SIGSTOP");
  await modeBecomes("fallback", 12_000);
  process.kill(stack.pidOf("ipconfig"), "SIGCONT");
  await modeBecomes("normal", 6000);
  expect(failuresIn(await traffic.stop())).toEqual([]);
});

test("etcd killed: no request fails and the list stays in force", async () => {
  process.kill(stack.pidOf("etcd"), "SIGKILL");
  await waitFor("ipconfig to notice", async () => {
    const { headers } = await fetch(`${stack.ipconfig}/v1/snapshot`);
    return headers.get("x-routectl-etcd") === "disconnected";
  });
  const from = traffic.outcomes.length;
  await waitFor("more traffic", () => traffic.outcomes.length > from + 400);
  expect((await status()).mode).toBe("normal");
  expect(failuresIn(await traffic.stop())).toEqual([]);
});

test("an instance killed: no GET fails", async () => {
  process.kill(stack.pidOf("demo-2"), "SIGKILL");
  const from = traffic.outcomes.length;
  await waitFor("more traffic", () => traffic.outcomes.length > from + 600);
  const outcomes = await traffic.stop();
  expect(failuresIn(outcomes)).toEqual([]);
  expect(sharesOf(outcomes.slice(from + 50))["demo-2"]).toBeUndefined();
});

test("nginx reloaded five times: nothing but 200, and the lists stay", async () => {
  for (let reload = 0; reload < 5; reload++) {
    const before = new Set(await childrenOf(stack.pidOf("nginx")));
    process.kill(stack.pidOf("nginx"), "SIGHUP");
    await waitFor("new workers to report", async () => {
      // The old worker may close a kept-alive connection just as the next question is on its way.
      const workers = await status().then(
        (now) => now.workers,
        () => [],
      );
      return workers.length === 2 && workers.every(({ pid }) => !before.has(pid));
    });
  }
  expect((await status()).mode).toBe("normal");
  // A client may use a kept-alive connection just as the old worker closes it: that is no answer, and clients ask again.
  const answers = failuresIn(await traffic.stop()).filter(({ status: code }) => code !== 0);
  expect(answers).toEqual([]);
});

test("the leading worker killed: the new one serves by the current list at once, and changes flow on", async () => {
  await stack.run("weight", "set", "demo", "demo-1=0", "--wait");
  const { leaderPid } = await status();
  const from = traffic.outcomes.length;
  process.kill(leaderPid, "SIGKILL");
  await waitFor("another leader", async () => {
    const now = await status().catch(() => undefined);
    return now !== undefined && now.leaderPid !== null && now.leaderPid !== leaderPid && now.workers.length === 2;
  });
  await waitFor("more traffic", () => traffic.outcomes.length > from + 400);
  expect(traffic.outcomes.slice(from).filter(({ instance }) => instance === "demo-1")).toEqual([]);
  const set = await stack.run("weight", "set", "demo", "demo-1=100", "demo-2=0", "--wait");
  expect(set.status).toBe(0);
  const outcomes = await traffic.stop();
  // Only connections of the worker that was killed may break.
  expect(failuresIn(outcomes).filter(({ status: code }) => code !== 0)).toEqual([]);
});

test("everything but nginx dead, and nginx started anew: it serves from the list on disk within a second", async () => {
  await stack.run("weight", "set", "demo", "demo-1=70", "demo-2=30", "demo-3=0", "--wait");
  const lastGood = join(stack.stateDirectory, "nginx/last-good");
  await waitFor("the list on disk", async () =>
    (await readFile(lastGood, "utf8").catch(() => "")).includes('"weight":70'),
  );
  await traffic.stop();
  await killNginx();
  for (const part of ["ipconfig", "etcd"]) process.kill(stack.pidOf(part), "SIGKILL");

  const started = performance.now();
  startNginx();
  await waitFor(
    "an answer",
    () =>
      fetch(`${stack.router}/demo/`).then(
        ({ status: code }) => code === 200,
        () => false,
      ),
    5000,
  );
  expect(performance.now() - started).toBeLessThan(2000);
  const cold = startTraffic(stack.router, 400);
  await waitFor("some traffic", () => cold.outcomes.length > 600);
  const outcomes = await cold.stop();
  expect(failuresIn(outcomes)).toEqual([]);
  expect(Math.abs(sharesOf(outcomes)["demo-1"]! - 0.7)).toBeLessThan(0.08);
});

test("a corrupted list on disk is not used, and said so", async () => {
  const lastGood = join(stack.stateDirectory, "nginx/last-good");
  await waitFor("the list on disk", async () => (await readFile(lastGood, "utf8").catch(() => "")).includes("demo-3"));
  await traffic.stop();
  await killNginx();
  process.kill(stack.pidOf("ipconfig"), "SIGKILL");
  await writeFile(lastGood, (await readFile(lastGood, "utf8")).replace('"weight":100', '"weight":900'));
  const log = startNginx();
  await waitFor("the warning", () =>
    /the last good list on disk is not used \(the checksum of demo is wrong\)/.test(log()),
  );
  await waitFor("an answer", () =>
    fetch(`${stack.router}/demo/`).then(
      ({ status: code }) => code === 503,
      () => false,
    ),
  );
  startIpconfig(new URL(stack.ipconfig).host);
  await waitFor("an answer", () =>
    fetch(`${stack.router}/demo/`).then(
      ({ status: code }) => code === 200,
      () => false,
    ),
  );
});

/** The master first: it would replace its workers. */
async function killNginx(): Promise<void> {
  const master = stack.pidOf("nginx");
  const workers = await childrenOf(master);
  for (const pid of [master, ...workers]) process.kill(pid, "SIGKILL");
  await waitFor("nginx to be gone", () => [master, ...workers].every((pid) => !isAlive(pid)));
}

function startNginx(): () => string {
  const directory = join(stack.stateDirectory, "nginx");
  const nginx = spawn("nginx", ["-p", directory, "-c", join(directory, "nginx.conf"), "-g", "daemon off;"]);
  extra.push(nginx);
  let log = "";
  nginx.stderr.on("data", (chunk: Buffer) => {
    log += chunk.toString();
  });
  return () => log;
}
