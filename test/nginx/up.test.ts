import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isAlive, processesOf, runRoutectl, startTestStack, type TestStack } from "../support/stack.ts";
import { sendRequests } from "../support/traffic.ts";
import { waitFor } from "../support/wait.ts";

const PARTS = ["etcd", "ipconfig", "demo-1", "demo-2", "demo-3", "nginx"];

let stateDirectory: string;
beforeEach(async () => {
  stateDirectory = await mkdtemp(join(tmpdir(), "routectl-up-"));
});
afterEach(() => rm(stateDirectory, { recursive: true, force: true }));

async function expectNothingLeft(stack: TestStack): Promise<void> {
  const pids = PARTS.map(stack.pidOf);
  await waitFor("all parts to be gone", () => pids.every((pid) => !isAlive(pid)));
  await waitFor("no process to be left", async () => (await processesOf(stateDirectory)).length === 0);
}

describe("a stack that was started with routectl up", () => {
  test("ends all that it started on Ctrl-C, and has what it had when it is started again", async () => {
    const first = await startTestStack({ stateDirectory });
    await first.run("weight", "set", "demo", "demo-1=5", "demo-2=0", "demo-3=0", "--reason", "kept", "--wait");
    await first.run("service", "register", "demo", "--id", "demo-3", "--weight", "77", "--wait");
    expect(await first.end("SIGINT")).toBe(130);
    expect(first.output()).not.toContain("[alert]");
    await expectNothingLeft(first);

    const second = await startTestStack({ stateDirectory });
    const { peers } = await second.json<{ peers: { id: string; weight: number; baseWeight: number }[] }>(
      "peers",
      "demo",
    );
    expect(peers.find(({ id }) => id === "demo-1")).toMatchObject({ weight: 5, baseWeight: 100 });
    expect(peers.find(({ id }) => id === "demo-3")).toMatchObject({ weight: 0, baseWeight: 77 });
    expect((await sendRequests(second.router, 50)).instances).toEqual({ "demo-1": 50 });
    await second.close();
    await expectNothingLeft(second);
  });

  test("leaves nothing behind even when it is killed with SIGKILL", async () => {
    const stack = await startTestStack({ stateDirectory });
    await stack.end("SIGKILL");
    await expectNothingLeft(stack);
  });

  test("serves what -f names beside the demo, and refuses to share its state directory", async () => {
    const file = join(stateDirectory, "services.yaml");
    await writeFile(
      file,
      "services:\n  idle:\n    instances:\n      - { id: idle-1, address: 127.0.0.1, port: 9, weight: 0 }\n",
    );
    const stack = await startTestStack({ stateDirectory, args: ["-f", file] });
    expect((await fetch(`${stack.router}/idle/`)).status).toBe(503);
    expect((await fetch(`${stack.router}/demo/`)).status).toBe(200);
    const second = await runRoutectl(["up", "--state-dir", stateDirectory, "--listen", ":0"]);
    expect(second.status).toBe(1);
    expect(second.stderr).toMatch(/^routectl: a stack is up on .* --state-dir DIR\n$/);
    await stack.close();
  });

  test("tells by name which part has died, and how to start it again", async () => {
    const stack = await startTestStack({ stateDirectory });
    process.kill(stack.pidOf("ipconfig"), "SIGKILL");
    await waitFor("the news", () => /ipconfig \| was ended by SIGKILL.*Start it again with: /.test(stack.output()));
    const [, command] = /Start it again with: (.*)/.exec(stack.output()) as unknown as string[];
    const again = spawn("sh", ["-c", `exec ${command}`], { stdio: "ignore" });
    await waitFor("ipconfig to answer", async () => (await stack.run("status")).status === 0);
    again.kill("SIGTERM");
    await stack.close();
  });
});

describe("a stack that can't be started says in one line what to do", () => {
  test("a port that is taken", async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
    });
    const run = await runRoutectl([
      "up",
      "--state-dir",
      stateDirectory,
      "--listen",
      `127.0.0.1:${port}`,
      "--admin-listen",
      ":0",
    ]);
    server.close();
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(new RegExp(`^routectl: 127.0.0.1:${port} is taken: .*--listen HOST:PORT.*\\n$`));
    expect(await processesOf(stateDirectory)).toEqual([]);
  });

  test.each([
    ["no nginx", { ROUTECTL_NGINX: "/nowhere/nginx" }, /\/nowhere\/nginx was not found: install nginx/],
    ["an nginx without Lua", { ROUTECTL_NGINX_MODULES: "/nowhere" }, /nginx has no Lua module: install libnginx-mod/],
    ["something else than nginx", { ROUTECTL_NGINX: "/bin/true" }, /\/bin\/true was not found|is not nginx/],
    ["no etcd", { ROUTECTL_ETCD_BINARY: "/nowhere/etcd" }, /\/nowhere\/etcd was not found: install etcd-server/],
  ])("%s", async (_what, env, message) => {
    const run = await runRoutectl(["up", "--state-dir", stateDirectory, "--listen", ":0"], env);
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(message);
    expect(run.stderr.trimEnd().split("\n")).toHaveLength(1);
  });

  test("an etcd that does not answer", async () => {
    const free = ["--listen", "--admin-listen", "--ipconfig-listen"].flatMap((flag) => [flag, ":0"]);
    const run = await runRoutectl(["up", "--state-dir", stateDirectory, "--etcd", "http://127.0.0.1:1", ...free]);
    expect(run.status).toBe(3);
    expect(run.stderr).toMatch(/^routectl: etcd at http:\/\/127.0.0.1:1 does not answer .*--etcd URL\n$/);
  });
});
