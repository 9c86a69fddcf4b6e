import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../cli/stack/ports.ts";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { routectl, routectlFor } from "../support/routectl.ts";
import { waitFor } from "../support/wait.ts";

let etcd: TestEtcd;
let replica: TestReplica;
let cli: ReturnType<typeof routectlFor>;
let nobody: string;

beforeAll(async () => {
  etcd = await startEtcd();
  replica = await startTestReplica(etcd.url);
  cli = routectlFor(etcd.url, { ROUTECTL_IPCONFIG: replica.url });
  nobody = `http://127.0.0.1:${await freePort()}`;
  await cli.must("service", "register", "demo", "--id", "demo-1", "--address", "10.0.0.1", "--port", "8080");
});

afterAll(async () => {
  await replica?.stop();
  await etcd?.close();
});

const ONE_LINE = /^routectl: [^\n]+\n$/;

describe("3: something does not answer", () => {
  it.each(["service list", "weight set demo demo-1=5", "dump", "wait"])("etcd is not there: %s", async (command) => {
    const { status, stderr, ms } = await routectl(command.split(" "), { env: { ROUTECTL_ETCD: nobody } });
    expect(stderr).toMatch(ONE_LINE);
    expect(stderr).toContain(`etcd at ${nobody} does not answer`);
    expect(stderr).toContain("--etcd URL");
    expect(status).toBe(3);
    expect(ms).toBeLessThan(5000);
  });

  it("etcd hangs", async () => {
    const hung = await startEtcd();
    hung.pause();
    const { status, stderr, ms } = await routectlFor(hung.url).run("service", "list");
    await hung.close();
    expect(stderr).toMatch(ONE_LINE);
    expect(status).toBe(3);
    expect(ms).toBeLessThan(5000);
  });

  it("ipconfig is not there", async () => {
    const { status, stderr, ms } = await cli.run("wait", "--ipconfig", nobody, "--timeout", "2s");
    const [warning, error] = stderr.split("\n");
    expect(warning).toMatch(
      /^routectl: warning: no ipconfig answers [^\n]+; it is asked again until the time is over$/,
    );
    expect(error).toMatch(/^routectl: no ipconfig answers [^\n]+ECONNREFUSED[^\n]+--ipconfig URL$/);
    expect([status, ms > 2000]).toEqual([3, true]);
  });

  it.each([
    "peers demo",
    "explain demo --key k --ipconfig http://127.0.0.1:1",
  ])("no router is there: %s", async (text) => {
    const { status, stderr } = await cli.run(...text.split(" "), "--router", nobody);
    expect(stderr).toMatch(/^routectl: no router answers [^\n]+--router URL\n$/);
    expect(status).toBe(3);
  });

  it("status shows what answers and what does not", async () => {
    const { status, stdout, stderr } = await cli.run("status", "-o", "json", "--router", nobody);
    expect([status, stderr]).toEqual([3, ""]);
    const { etcd: etcdStatus, ipconfigs, routers } = JSON.parse(stdout);
    expect(etcdStatus).toMatchObject({ reachable: true, url: etcd.url });
    expect(ipconfigs).toMatchObject([{ reachable: true, url: replica.url }]);
    expect(routers).toMatchObject([{ reachable: false }]);
  });

  it("status says once that etcd is not there, and nothing of its members", async () => {
    const { status, stdout } = await cli.run("status", "--etcd", nobody);
    expect(stdout.match(/etcd at \S+ does not answer/g)).toHaveLength(1);
    expect(stdout).not.toContain("member");
    expect(status).toBe(3);
  });

  it("one of several etcds is not there: the others are asked", async () => {
    for (let i = 0; i < 3; i++) {
      const { status, stderr } = await cli.run("service", "list", "--etcd", `${nobody},${etcd.url}`);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    }
  });

  it("etcd closes every connection", async () => {
    const hostile = createServer((request) => request.socket.destroy());
    await new Promise<void>((resolve) => hostile.listen(0, "127.0.0.1", resolve));
    const { port } = hostile.address() as AddressInfo;
    const { status, stderr, ms } = await cli.run("service", "list", "--etcd", `http://127.0.0.1:${port}`);
    hostile.close();
    expect(stderr).toMatch(ONE_LINE);
    expect(status).toBe(3);
    expect(ms).toBeLessThan(5000);
  });
});

describe("4: not authorised", () => {
  it("a user for an etcd that has none: leave him out", async () => {
    const settings = { ROUTECTL_ETCD_USER: "ana", ROUTECTL_ETCD_PASSWORD: "secretpw" };
    const { status, stderr } = await routectlFor(etcd.url, settings).run("service", "list");
    expect(stderr).toMatch(
      /^routectl: [^\n]+ authentication is not enabled there; leave out ROUTECTL_ETCD_USER [^\n]+\n$/,
    );
    expect(status).toBe(4);
  });
});

describe("8: not applied in time", () => {
  it("--wait with no router; what was written stays", async () => {
    const { status, stderr } = await cli.run("weight", "set", "demo", "demo-1=5", "--wait", "--timeout", "1");
    expect(stderr).toMatch(/^routectl: revision \d+ is [^\n]+: no router reports[^\n]+\n$/);
    expect(status).toBe(8);
    expect(await cli.must("weight", "list", "demo")).toMatch(/demo +demo-1 +5/);
  });

  it("routectl wait names the router that is behind", async () => {
    await replica.report("edge-7", { epoch: "another", revision: 1 });
    const { status, stderr } = await cli.run("wait", "--timeout", "1");
    expect(stderr).toMatch(/: behind: edge-7; see routectl status\n$/);
    expect(status).toBe(8);
  });
});

it("0: wait returns once every worker of the router applies the revision", async () => {
  const list = await waitFor("the list", async () => (await replica.service("demo")) !== undefined).then(() =>
    replica.service("demo"),
  );
  const { epoch, revision } = list!;
  const waiting = cli.run("wait", "--revision", `${revision}`, "--timeout", "15");
  const workers = [0, 1].map((worker) => ({ worker, pid: 1, epoch, revision }));
  const body = JSON.stringify({ workerCount: 2, ipconfig: "", workers });
  for (const node of ["edge-7", "edge-8"]) await replica.get(`/v1/routers/${node}/ack`, { method: "POST", body });
  const { status, stdout, stderr } = await waiting;
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(new RegExp(`^revision ${revision} is applied by .*edge-7`));
});

it("1: an address that is taken", async () => {
  const { status, stderr } = await cli.run("ipconfig", "--listen", new URL(replica.url).host);
  expect(stderr).toMatch(/^routectl: 127\.0\.0\.1:\d+ is taken: [^\n]+--listen HOST:PORT\n$/m);
  expect(status).toBe(1);
});
