import { createServer } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { type Instance, startInstance } from "../support/instance.ts";
import { startTestStack, type TestStack } from "../support/stack.ts";
import { waitFor } from "../support/wait.ts";

/** `routectl drain --wait` returns when an instance may be stopped. */
let stack: TestStack;
let instance: Instance;

beforeAll(async () => {
  const server = createServer((_, response) => response.end("{}"));
  new WebSocketServer({ server }).on("connection", (socket) => socket.resume());
  instance = await startInstance(server);
  stack = await startTestStack();
  const at = ["--address", "127.0.0.1", "--port", `${instance.port}`];
  await stack.run("service", "register", "chat", "--id", "chat-1", ...at, "--wait");
});
afterAll(async () => {
  await stack?.close();
  await instance?.kill();
});

const drainedWith =
  /^demo: demo-1=0 [^\n]+\nrevision \d+ is applied [^\n]+\nnothing is in flight at demo-1 any more\n$/;
async function inFlightAt(id: string): Promise<number> {
  const { peers } = await stack.json<{ peers: { id: string; inFlight: number }[] }>("peers", "demo");
  return peers.find((one) => one.id === id)!.inFlight;
}

/** Requests of which each takes this long; resolves to the instances that have answered them. */
async function slowRequests(count: number, delayMs: number): Promise<string[]> {
  const answers = Array.from({ length: count }, async () => {
    const response = await fetch(`${stack.router}/demo/?delayMs=${delayMs}`);
    return ((await response.json()) as { instance: string }).instance;
  });
  return Promise.all(answers);
}

test("requests in flight are waited for, in all workers, and none comes after", async () => {
  const answered = slowRequests(30, 5000);
  const startedAt = performance.now();
  await waitFor("the requests", async () => (await inFlightAt("demo-1")) > 0);
  const { status, stdout, stderr } = await stack.run("drain", "demo", "demo-1", "--wait");
  const waitedMs = performance.now() - startedAt;
  expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(drainedWith) });
  const most = (await answered).filter((id) => id === "demo-1").length;
  expect(stderr).toMatch(new RegExp(`^in flight at demo-1: ${most} requests\\n`));
  expect(waitedMs).toBeGreaterThan(5000);
  expect(waitedMs).toBeLessThan(12_000);
  expect(await inFlightAt("demo-1")).toBe(0);
  expect(await slowRequests(60, 0)).not.toContain("demo-1");
  await stack.run("restore", "demo", "demo-1", "--wait");
});

test("an idle instance is drained at once, or nearly", async () => {
  const { status, stdout, stderr, ms } = await stack.run("drain", "demo", "demo-1", "--wait");
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: expect.stringMatching(drainedWith), stderr: "" });
  expect(ms).toBeLessThan(8000);
  await stack.run("restore", "demo", "demo-1", "--wait");
});

test("a WebSocket counts until it closes: 8 when it stays, 0 when it goes", async () => {
  const socket = new WebSocket(`${stack.router.replace("http", "ws")}/chat/`);
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  const timedOut = await stack.run("drain", "chat", "chat-1", "--wait", "--timeout", "3s");
  expect(timedOut.stderr).toMatch(
    /^in flight at chat-1: 1 request\nroutectl: time is up, and chat-1 still has 1 request /,
  );
  expect(timedOut.status).toBe(8);
  const written = async (): Promise<number> => (await stack.json<unknown[]>("history", "chat")).length;
  const before = await written();
  const again = stack.run("drain", "chat", "chat-1", "--wait", "--timeout", "30s");
  await waitFor("the second drain", async () => (await written()) > before);
  socket.close();
  const { status, stdout } = await again;
  expect([status, stdout]).toEqual([0, expect.stringContaining("nothing is in flight at chat-1 any more")]);
});
