import { afterEach, beforeEach, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { routectlFor } from "../support/routectl.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { writesTo } from "../support/writes.ts";

/** etcd carries a write out, and its answer is lost on the way: nobody knows, and the command says so. */
let etcd: TestEtcd;
let proxy: TcpProxy;

beforeEach(async () => {
  etcd = await startEtcd();
  proxy = await startTcpProxy(etcd.url);
  const writes = writesTo(etcd.url);
  await writes.register("demo", { id: "demo-1" });
  writes.close();
});

afterEach(async () => {
  await proxy?.close();
  await etcd?.close();
});

const FILE = "services: {demo: {policy: {algorithm: best}}}";

it.each([
  [["weight", "set", "demo", "demo-1=5"], "weight set", 1],
  [["drain", "demo", "demo-1"], "drain", 1],
  [["policy", "set", "demo", "--algorithm", "best"], "policy set", 1],
  [["service", "register", "demo", "--id", "demo-1", "--weight", "5"], "service register", 2],
  [["service", "deregister", "demo", "demo-1"], "service deregister", 1],
  [["apply", "-f", "-"], "apply", 1],
])("%j", async (args, action, times) => {
  // As it stands in the entry of the history, and in nothing that is read before.
  proxy.loseAnswersTo('"action":');
  const { status, stdout, stderr } = await routectlFor(proxy.url).runWith(FILE, ...args);
  expect(stdout).toBe("");
  expect(stderr).toMatch(
    /^routectl: etcd at \S+ did not answer a write to demo, which may be in force or not: [^\n]+\n$/,
  );
  expect(stderr).toContain("see routectl history demo");
  expect(status).toBe(3);
  const history = JSON.parse(await routectlFor(etcd.url).must("history", "demo", "-o", "json"));
  const written = history.filter((entry: { action: string }) => entry.action === action);
  expect(written).toHaveLength(times);
});

it("a command that has not written yet says that etcd does not answer", async () => {
  proxy.loseAnswersTo("/services/");
  const { status, stderr } = await routectlFor(proxy.url).run("weight", "set", "demo", "demo-1=5");
  expect([status, stderr]).toEqual([3, expect.stringMatching(/does not answer \([^\n]+\): start it/)]);
});
