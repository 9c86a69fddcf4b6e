import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { freePort } from "../../cli/stack/ports.ts";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { MAIN, routectl, routectlFor } from "../support/routectl.ts";
import { waitFor } from "../support/wait.ts";
import { type FakeRouter, fakeService, startFakeRouter } from "./fake-router.ts";

/** A part that does not answer for a while is waited for by those who wait, and by those who watch. */
let etcd: TestEtcd;
let cli: ReturnType<typeof routectlFor>;
let port: number;
let router: FakeRouter;
let otherRouter: FakeRouter;

beforeAll(async () => {
  etcd = await startEtcd();
  port = await freePort();
  cli = routectlFor(etcd.url, { ROUTECTL_IPCONFIG: `http://127.0.0.1:${port}` });
  await cli.must("service", "register", "demo", "--id", "demo-1", "--address", "10.0.0.1", "--port", "8080");
  [router, otherRouter] = await Promise.all([startFakeRouter("edge-1"), startFakeRouter("edge-2")]);
  for (const { answers } of [router, otherRouter]) {
    answers.set("/v1/services/demo", fakeService("demo", [{ id: "demo-1" }]));
    answers.set("/v1/decisions", { decisions: [] });
  }
});

afterAll(async () => {
  await Promise.all([router?.close(), otherRouter?.close()]);
  await etcd?.close();
});

async function startReplica(): Promise<TestReplica> {
  const replica = await startTestReplica(etcd.url, { port });
  // A connection to the one before may be tried first.
  const listed = (): Promise<unknown> => replica.service("demo").catch(() => undefined);
  await waitFor("the list", async () => (await listed()) !== undefined);
  return replica;
}

it("--wait goes on when ipconfig comes back", async () => {
  const running = cli.run("weight", "set", "demo", "demo-1=5", "--wait", "--timeout", "15s");
  await waitFor("the weight to be written", async () => (await etcd.raw.list("/routectl/v1/overrides/")).length === 1);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const replica = await startReplica();
  await replica.report("edge-1", (await replica.service("demo"))!);
  const { status, stdout, stderr } = await running;
  await replica.stop();
  expect(stderr).toMatch(/^routectl: warning: no ipconfig answers [^\n]+\n$/);
  expect(stdout).toMatch(/is applied by every worker of every live router\n$/);
  expect(status).toBe(0);
});

it("--wait exits with 8 when ipconfig has answered once, and is gone", async () => {
  const replica = await startReplica();
  const running = cli.run("wait", "--timeout", "4s");
  await new Promise((resolve) => setTimeout(resolve, 2000));
  await replica.stop();
  const { status, stderr } = await running;
  expect(stderr).toMatch(/\nroutectl: revision \d+ is not applied everywhere after 4 s: no ipconfig answers [^\n]+\n$/);
  expect(status).toBe(8);
});

/** Runs a command that is ended when the test has seen enough. */
function watch(...args: string[]) {
  const settings = { ROUTECTL_ETCD: etcd.url, ROUTECTL_ROUTER: `${otherRouter.url},${router.url}` };
  const child = spawn(process.execPath, [MAIN, ...args, "-w"], { env: { ...process.env, ...settings } });
  const printed = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].on("data", (chunk: Buffer) => {
      printed[stream] += chunk.toString();
    });
  }
  return {
    printed,
    tables: () => printed.stdout.match(/^(ID|SERVICE|TIME) /gm)?.length ?? 0,
    end: async () => {
      const isOver = child.exitCode !== null;
      child.kill();
      return isOver;
    },
  };
}

const silenceRouters = (isSilent: boolean, routers: () => FakeRouter[]) => () => {
  for (const one of routers()) one.isSilent = isSilent;
};

it.each([
  {
    name: "every router",
    args: ["peers", "demo"],
    silence: silenceRouters(true, () => [router, otherRouter]),
    resume: silenceRouters(false, () => [router, otherRouter]),
  },
  { name: "etcd", args: ["service", "list"], silence: () => etcd.pause(), resume: () => etcd.resume() },
  {
    name: "one of two routers",
    args: ["decisions", "demo"],
    silence: silenceRouters(true, () => [router]),
    resume: silenceRouters(false, () => [router]),
  },
])("-w goes on when $name has been silent, and says that once", async ({ args, silence, resume }) => {
  const watching = watch(...args);
  await waitFor("the first table", () => watching.tables() > 0);
  silence();
  await waitFor("the warning", () => watching.printed.stderr !== "");
  await new Promise((resolve) => setTimeout(resolve, 3500));
  const before = watching.tables();
  resume();
  await waitFor("the next table", () => watching.tables() > before);
  expect(await watching.end()).toBe(false);
  expect(watching.printed.stderr).toMatch(
    /^routectl: warning: (etcd [^\n]+ does not answer|no router answers) [^\n]+\n$/,
  );
});

/** A port on which connections are never made, as of a host that is gone: nobody takes them, and the queue is full. */
async function startDeadEnd(): Promise<string> {
  const script =
    "const s = require('net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => console.log(s.address().port))";
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    child.kill("SIGKILL");
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const deadEnd = Number(line.toString());
  child.kill("SIGSTOP");
  const isFull = async (): Promise<boolean> => {
    const socket = connect(deadEnd, "127.0.0.1").on("error", () => undefined);
    sockets.push(socket);
    const connected = once(socket, "connect").then(() => true);
    return !(await Promise.race([connected, new Promise<boolean>((resolve) => setTimeout(resolve, 300, false))]));
  };
  await waitFor("the queue to be full", isFull);
  return `http://127.0.0.1:${deadEnd}`;
}

it("a command that has done its work ends, though connections to a member are still being made", async () => {
  const urls = [etcd.url, await startDeadEnd(), await startDeadEnd()].join(",");
  const { status, ms } = await routectl(["weight", "set", "demo", "demo-1=7", "--etcd", urls]);
  expect(status).toBe(0);
  expect(ms).toBeLessThan(5000);
});
