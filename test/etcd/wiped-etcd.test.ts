import { afterAll, beforeAll, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { type Run, routectlFor } from "../support/routectl.ts";
import { waitFor } from "../support/wait.ts";
import { type FakeRouter, startFakeRouter } from "./fake-router.ts";

/** What an operator is told of an etcd that has lost its data, while ipconfig and routers go on with what they had. */
let etcd: TestEtcd;
let replica: TestReplica;
let router: FakeRouter;
let cli: ReturnType<typeof routectlFor>;

const register = (id: string): Promise<string> =>
  cli.must("service", "register", "demo", "--id", id, "--address", "10.0.0.1", "--port", "8080");
const findings = ({ stdout }: Run): string[] => (JSON.parse(stdout) as { findings: string[] }).findings;
/** The one worker of the router applies what ipconfig serves. */
const report = async (): Promise<number> => router.report(replica, (await replica.poll()).snapshot!);

beforeAll(async () => {
  etcd = await startEtcd();
  replica = await startTestReplica(etcd.url);
  router = await startFakeRouter("edge-1");
  router.answers.set("/v1/status", {
    ...{ node: "edge-1", version: "0", mode: "normal", epoch: null, revision: 1, listAgeMs: 1, services: 1 },
    ...{ leaderPid: 1, workerCount: 1, ipconfig: null, ipconfigError: null, ipconfigUrls: [], workers: [] },
  });
  router.answers.set("/v1/services", { services: [] });
  cli = routectlFor(etcd.url, { ROUTECTL_IPCONFIG: replica.url, ROUTECTL_ROUTER: router.url });
  await register("demo-1");
  await waitFor("the list", async () => (await replica.service("demo")) !== undefined);
  await report();
});

afterAll(async () => {
  await router?.close();
  await replica?.stop();
  await etcd?.close();
});

// In this order: each goes on with what the one before has left.
it("all is well before", async () => {
  const status = await cli.run("status", "-o", "json");
  expect([status.status, findings(status)]).toEqual([0, []]);
  expect((await cli.run("wait")).status).toBe(0);
});

it("after it was wiped, status finds that, and wait is not content", async () => {
  await etcd.wipe();
  await waitFor("the loss to be noticed", () => replica.warnings.some((text) => /lost its data/.test(text)));
  const status = await cli.run("status", "-o", "json");
  expect(findings(status)).toEqual([
    expect.stringMatching(
      `^etcd holds no services, and ipconfig ${replica.url} still serves 1 of before: .*routectl apply`,
    ),
  ]);
  expect(status.status).toBe(7);
  expect((await cli.run("status")).stdout).toMatch(/\netcd holds no services, and [^\n]+\n$/);
  const { status: code, stderr } = await cli.run("wait");
  expect(stderr).toMatch(/^routectl: etcd holds no change to wait for, though ipconfig serves revision \d+ [^\n]+\n$/);
  expect(code).toBe(1);
});

it("data of another epoch than ipconfig's are a finding, and not what wait and --wait wait for", async () => {
  await register("demo-2");
  await waitFor("the new epoch", async () => (await etcd.raw.list("/routectl/v1/epoch")).length === 1);
  const { snapshot } = await replica.poll();
  await replica.stop();
  await etcd.raw.put("/routectl/v1/epoch", "another-one");
  // An ipconfig that does not see that.
  const other = await startFakeRouter("ipconfig");
  const workers = [{ worker: 0, pid: 1, epoch: snapshot!.epoch, revision: 1000 }];
  const routers = [{ node: "edge-1", ageMs: 1, workerCount: 1, ipconfig: "", workers }];
  other.answers.set("/v1/routers", { epoch: snapshot!.epoch, revision: 1000, routers });
  const status = await cli.run("status", "-o", "json", "--ipconfig", other.url);
  const { status: code, stderr } = await cli.run("wait", "--timeout", "1s", "--ipconfig", other.url);
  const write = await cli.run(
    "weight",
    "set",
    "demo",
    "demo-2=5",
    "--wait",
    "--timeout",
    "1s",
    "--ipconfig",
    other.url,
  );
  await other.close();
  expect(findings(status)).toEqual([expect.stringContaining("etcd's data are of epoch another-one")]);
  expect(status.status).toBe(7);
  for (const text of [stderr, write.stderr])
    expect(text).toContain("ipconfig serves data of another epoch than etcd's");
  expect([code, write.status]).toEqual([8, 8]);
});
