import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SuiteResult } from "../../cli/simulate/suite.ts";
import type { WhatIf } from "../../cli/simulate/what-if.ts";
import { encodeStatus, type Sample } from "../../cli/store/status.ts";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { routectl, routectlFor } from "../support/routectl.ts";
import { waitFor } from "../support/wait.ts";
import { type Writes, writesTo } from "../support/writes.ts";

describe("routectl simulate SERVICE", () => {
  let etcd: TestEtcd;
  let writes: Writes;
  let replica: TestReplica;
  let cli: ReturnType<typeof routectlFor>;
  let cliWithoutIpconfig: ReturnType<typeof routectlFor>;
  const short = ["--seconds", "2", "--routers", "2"];

  beforeAll(async () => {
    etcd = await startEtcd();
    writes = writesTo(etcd.url);
    for (const id of ["demo-1", "demo-2", "demo-3", "demo-4"]) await writes.register("demo", { id, weight: 100 });
    replica = await startTestReplica(etcd.url);
    cli = routectlFor(etcd.url, { ROUTECTL_IPCONFIG: replica.url });
    cliWithoutIpconfig = routectlFor(etcd.url, { ROUTECTL_IPCONFIG: "http://127.0.0.1:1" });
    await cli.must("policy", "set", "demo", "--algorithm", "consistent-hash", "--hash-on", "cookie:uid");
    await waitFor("the policy", async () => (await replica.service("demo"))?.policy.algorithm === "consistent-hash");
  });

  afterAll(async () => {
    await replica?.stop();
    writes?.close();
    await etcd?.close();
  });

  it("tells shares, moved users and response times, and writes nothing", async () => {
    const before = await etcd.raw.list("/routectl/v1/");
    const said = await cli.must("simulate", "demo", "--set", "demo-1=0", ...short);
    expect(said).toContain("demo: mode normal, then manual, algorithm consistent-hash (nothing is written)\n");
    expect(said).toMatch(/\ndemo-1 +100 +0 +25\.0 % +0\.0 % /);
    expect(said).toMatch(/\ndemo-2 +100 +100 +25\.0 % +33\.3 % /);
    expect(said).toMatch(/\nusers moved: 2\d\d\d of 10000 /);
    expect(await etcd.raw.list("/routectl/v1/")).toEqual(before);
  });

  it("goes by the scores that ipconfig tells, as long as no manual weight puts them aside", async () => {
    for (const id of ["shop-1", "shop-2", "shop-3"]) await writes.register("shop", { id, weight: 100 });
    await waitFor("the service", async () => (await replica.service("shop"))?.instances.length === 3);
    const up = (cpu: number): Sample => ({ state: "up", cpu });
    const samples = new Map<string, Sample>([
      ["shop-1", up(0)],
      ["shop-2", up(0.6)],
      ["shop-3", { state: "down" }],
    ]);
    const status = encodeStatus({ at: Date.now(), intervalMs: 5000, samples });
    await etcd.raw.put("/routectl/v1/status/shop/tester", status);
    await waitFor("the scores", async () => {
      const instances = (await replica.service("shop"))?.instances ?? [];
      return instances.some(({ score }) => score < 1);
    });

    const found: WhatIf = JSON.parse(await cli.must("simulate", "shop", "--set", "shop-1=50", ...short, "-o", "json"));
    expect(found.hasScores).toBe(true);
    const peers = ({ peers: all }: WhatIf["before"]) => all.map(({ id, weight }) => `${id}=${weight}`).sort();
    // 1 - 0.8 × 0.6
    expect(peers(found.before)).toEqual(["shop-1=100", "shop-2=52", "shop-3=0"]);
    expect(peers(found.after)).toEqual(["shop-1=50", "shop-2=100", "shop-3=100"]);
  });

  it("takes all instances for equally good where no ipconfig answers", async () => {
    const text = await cliWithoutIpconfig.must("simulate", "demo", "--set", "demo-1=50", ...short, "-o", "json");
    const found = JSON.parse(text);
    expect(found).toMatchObject({ service: "demo", hasScores: false, users: 10_000, after: { mode: "manual" } });
    expect(found.after.peers.find(({ id }: { id: string }) => id === "demo-1")).toMatchObject({ weight: 50 });
  });

  it.each([
    [["demo", "--set", "demo-9=5"], 1, "demo has no instance demo-9: did you mean demo-"],
    [["dem", "--set", "demo-1=5"], 1, "there is no service dem: did you mean demo?"],
    [["demo"], 2, "say what to try: --set ID=WEIGHT"],
    [["--set", "demo-1=5"], 2, "--set changes the weights of a service: name it"],
    [["demo", "--set", "demo-1=x"], 2, 'weight "x" of "demo-1": A weight is a whole number from 0 to 1000.'],
    [["demo", "--set", "demo-1=1001"], 2, 'weight "1001" of "demo-1"'],
    [["demo", "--set", "demo-1"], 2, '"demo-1" is not of the form ID=WEIGHT'],
    [["demo", "--set", "demo-1=1", "demo-1=2"], 2, '"demo-1" is given twice'],
    [["Demo!", "--set", "demo-1=1"], 2, 'service "Demo!" is not a name'],
    [
      ["demo", "--set", "demo-1=5", "--scenario", "equal"],
      2,
      "--scenario, --servers and --score-lag are not for a service",
    ],
  ])("%j exits with %d and says: %s", async (args, status, says) => {
    const run = await cli.run("simulate", ...args, ...short);
    expect([run.status, run.stdout]).toEqual([status, ""]);
    expect(run.stderr).toContain(says);
  });

  it("without etcd exits with 3 and says so", async () => {
    const { status, stdout, stderr } = await routectlFor("http://127.0.0.1:1").run("simulate", "demo", "--set", "a=1");
    expect([status, stdout]).toEqual([3, ""]);
    expect(stderr).toMatch(/^routectl: .*etcd.*\n$/);
  });
});

describe("routectl simulate", () => {
  const small = ["--servers", "4", "--seconds", "1"];

  it("runs scenarios in threads of its own, the same in every run", async () => {
    const args = ["simulate", "--scenario", "equal,one-slow", ...small, "--routers", "1,2", "-o", "json"];
    const [one, other] = await Promise.all([routectl(args), routectl(args)]);
    expect([one.status, one.stderr]).toEqual([0, ""]);
    expect(one.stdout).toBe(other.stdout);
    const { scenarios, gates } = JSON.parse(one.stdout) as SuiteResult;
    const groups = scenarios.map(({ scenario, routers }) => `${scenario} ${routers}`);
    expect(groups).toEqual(["equal 1", "equal 2", "one-slow 1", "one-slow 2"]);
    expect(gates).toEqual([]);
  });

  it("prints a table a scenario, with a row for each algorithm", async () => {
    const { status, stdout } = await routectl(["simulate", "--scenario", "equal", ...small, "--routers", "2"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^equal: all servers are alike; 2 routers\nALGORITHM +P50 MS +P99 MS +P99.9 MS /);
    for (const name of ["adaptive", "round-robin", "least-conn", "two-choices", "oracle"]) {
      expect(stdout).toMatch(new RegExp(`^${name} +\\d+\\.\\d `, "m"));
    }
  });

  it("takes service times from a file", async () => {
    const directory = await mkdtemp(join(tmpdir(), "routectl-simulate-"));
    try {
      const file = join(directory, "times.txt");
      await writeFile(file, "30\n30\n");
      const args = ["--scenario", "equal", ...small, "--routers", "1", "-o", "json", "--service-times", file];
      const { stdout } = await routectl(["simulate", ...args]);
      const { scenarios } = JSON.parse(stdout) as SuiteResult;
      expect(scenarios[0]!.contenders.find(({ name }) => name === "oracle")!.p50Ms).toBeCloseTo(30, 6);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it.each([
    [["--scenario", "sunny"], 2, "there is no scenario sunny: choose among equal, half-slow,"],
    [["--load", "3"], 2, "Give a part of the capacity such as 0.75"],
    [["--routers", "0"], 2, "It must be a whole number from 1 to 1000."],
    [["--service-times", "lognormal:0"], 2, "the mean of --service-times must be above 0"],
    [["--service-times", "/nowhere.txt"], 1, "can't read /nowhere.txt"],
  ])("%j exits with %d and says: %s", async (args, status, says) => {
    const run = await routectl(["simulate", ...args]);
    expect([run.status, run.stdout]).toEqual([status, ""]);
    expect(run.stderr).toContain(says);
  });
});
