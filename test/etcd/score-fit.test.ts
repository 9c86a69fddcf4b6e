import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { routectlFor } from "../support/routectl.ts";

let etcd: TestEtcd;
let cli: ReturnType<typeof routectlFor>;
let directory: string;

beforeAll(async () => {
  etcd = await startEtcd();
  cli = routectlFor(etcd.url);
  directory = await mkdtemp(join(tmpdir(), "routectl-fit-"));
  await cli.must("service", "register", "demo", "--id", "demo-1", "--address", "10.0.0.1", "--port", "8080");
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
  await etcd?.close();
});

/** A record in which only the CPU varies. @param msPerCpu what an instance that uses all of it takes longer */
async function record(name: string, msPerCpu: number): Promise<string> {
  const file = join(directory, name);
  const lines = Array.from({ length: 200 }, (_, index) => {
    const cpu = (index % 10) / 10;
    const latencyMs = 10 + msPerCpu * cpu + (Math.floor(index / 10) % 2) * 5;
    const figures = { cpu, memory: 0.4, requestsPerSecond: 100, errorsPerSecond: 0, inFlight: 2, latencyMs };
    return JSON.stringify({ at: index * 1000, service: "demo", id: "demo-1", state: "up", ...figures });
  });
  await writeFile(file, `${lines.join("\n")}\n`);
  return file;
}

it("says which coefficients are the defaults, and --apply leaves those as they are", async () => {
  const file = await record("cpu.jsonl", 40);
  const { status, stdout, stderr } = await cli.run("score", "fit", file, "--apply", "demo");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  for (const text of [
    "memory keeps its default, 0.1",
    "errors keeps its default, 0.9",
    "inFlight keeps its default, 0.2",
  ])
    expect(stdout).toContain(`${text}: it hardly varied in this record\n`);
  const policy = JSON.parse(await cli.must("policy", "get", "demo", "-o", "json"));
  expect(policy.score).toMatchObject({ memory: 0.1, latency: 0.5, errors: 0.9, inFlight: 0.2 });
});

it("--apply -o json is one document", async () => {
  const file = await record("json.jsonl", 40);
  const stdout = await cli.must("score", "fit", file, "--apply", "demo", "--dry-run", "-o", "json");
  expect(JSON.parse(stdout)).toMatchObject({
    samples: 200,
    service: "demo",
    changes: expect.any(Array),
    revision: null,
  });
});

it("--apply warns of a fit that explains little", async () => {
  const file = await record("noise.jsonl", 0.5);
  const { status, stderr } = await cli.run("score", "fit", file, "--apply", "demo", "--dry-run");
  expect(stderr).toMatch(/^routectl: warning: these coefficients explain \d+ % of what latency did in [^\n]+\n$/);
  expect(status).toBe(0);
});
