import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import { run } from "./support/command.ts";
import { type Recording, startRecording } from "./support/recorder.ts";
import { figure, type System, startSystem } from "./support/system.ts";
import { describeFailures, expectSound, failuresOf, seconds, summaryOf } from "./support/validators.ts";

const { skipped } = inject("docker");
const LAST_GOOD = "/var/lib/routectl/last-good";

describe.skipIf(skipped !== undefined)("faults of nginx and its disk", () => {
  let system: System;
  let recording: Recording | undefined;
  beforeAll(async () => {
    system = await startSystem("nginx");
  });
  afterAll(async () => {
    await system?.close();
  });
  beforeEach(async () => {
    await system.settled();
  });
  afterEach(async () => {
    await recording?.stop();
    recording = undefined;
  });

  const answers = async (): Promise<boolean> =>
    fetch(`${system.routers[0]!.url}/demo/`, { signal: AbortSignal.timeout(500) }).then(
      ({ status }) => status === 200,
      () => false,
    );
  const workerPids = async (): Promise<number[]> => {
    const status = await (await fetch(`${system.routers[0]!.admin}/v1/status`)).json();
    return (status as { workers: { pid: number }[] }).workers.map(({ pid }) => pid);
  };
  const lastGood = async (router = "router-1"): Promise<string> =>
    (await system.exec(router, ["cat", LAST_GOOD])).stdout;
  /** The first line of a router's log that matches. */
  const lineOf = async (pattern: RegExp, since: string, router = "router-1"): Promise<string | undefined> => {
    const { stdout, stderr } = await run("docker", ["logs", "--since", since, await system.idOf(router)], {
      env: inject("docker").env,
    });
    return `${stdout}${stderr}`.split("\n").find((line) => pattern.test(line));
  };
  /** The time of the container's engine, for its log. */
  const now = (): string => new Date().toISOString();

  test("a worker killed: only its own connections break", async () => {
    recording = await startRecording(system);
    const [victim] = await workerPids();
    const killed = await system.exec("router-1", ["sh", "-c", `kill -9 ${victim}`]);
    expect(killed.status).toBe(0);
    const killedAt = performance.now();
    await waitFor("another worker", async () => {
      // The question itself may have gone to the worker that was killed.
      const pids = await workerPids().catch((): number[] => []);
      return pids.length === 2 && !pids.includes(victim!);
    });
    await delay(3000);
    await recording.stop();
    const failures = failuresOf(recording.outcomes);
    await figure(
      "nginx worker SIGKILL",
      `${summaryOf(recording.outcomes)}: ${JSON.stringify(describeFailures(failures))}`,
    );
    expect(failures.filter(({ status, router }) => status !== 0 || router !== "router-1")).toEqual([]);
    // What was under way at that moment, and nothing later.
    expect(failures.filter(({ at }) => at > killedAt + 200)).toEqual([]);
    expectSound(recording);
  });

  test("a reload every two seconds for twenty: nothing but 2xx", async () => {
    recording = await startRecording(system);
    for (let reload = 0; reload < 10; reload++) {
      await system.on("router-1", "kill", "--signal", "HUP");
      await delay(2000);
    }
    await recording.stop();
    const failures = failuresOf(recording.outcomes);
    const answered = failures.filter(({ status }) => status !== 0);
    // A worker that ends closes connections that are idle, some of them just as a client sends its next request there.
    // Clients send it again on another one (RFC 9112, 9.3.1); ours counts it.
    const closed = failures.filter(({ status }) => status === 0);
    await figure(
      "reload every 2 s for 20 s",
      `${summaryOf(recording.outcomes)}, ${answered.length} answers other than 2xx, ${closed.length} sent as their connection was closed`,
    );
    expect(describeFailures(answered)).toEqual({});
    expect(closed.filter(({ router, instance }) => router !== "router-1" || instance !== "UND_ERR_SOCKET")).toEqual([]);
    expectSound(recording);
  });

  test("started with everything else dead: the first good answer within a second", async () => {
    await waitFor("the list on disk", async () => (await lastGood()).includes("demo-5"));
    const others = ["ipconfig-1", "ipconfig-2", "exporter-1", "exporter-2", "etcd-1", "etcd-2", "etcd-3"];
    await system.on("router-1", "kill");
    for (const service of others) await system.on(service, "kill");
    const startedAt = performance.now();
    await system.on("router-1", "start");
    const runsAt = performance.now();
    await waitFor("an answer", answers, 20_000);
    const answeredAt = performance.now();
    recording = await startRecording(system);
    await delay(3000);
    await recording.stop();
    for (const service of others.reverse()) await system.on(service, "start");
    await figure(
      "cold start with everything else dead",
      `first 200 ${seconds(answeredAt - runsAt)} after docker start (which took ${seconds(runsAt - startedAt)}); ${summaryOf(recording.outcomes)}`,
    );
    expect(answeredAt - runsAt).toBeLessThan(1000);
    expect(describeFailures(failuresOf(recording.outcomes))).toEqual({});
  });

  test("the last good list corrupted: a clear log line, and it serves when an ipconfig is back", async () => {
    await waitFor("the list on disk", async () => (await lastGood()).includes("demo-5"));
    for (const service of ["ipconfig-1", "ipconfig-2"]) await system.on(service, "kill");
    await delay(1500);
    const corrupted = await system.exec("router-1", ["sed", "-i", 's/"port":8080/"port":8081/', LAST_GOOD]);
    expect(corrupted.status).toBe(0);
    const since = now();
    await system.on("router-1", "kill");
    await system.on("router-1", "start");
    await waitFor("the warning", async () => (await lineOf(/last good list on disk is not used/, since)) !== undefined);
    const line = await lineOf(/last good list on disk is not used/, since);
    expect(line).toMatch(/the checksum of demo is wrong/);
    const refused = await fetch(`${system.routers[0]!.url}/demo/`);
    expect(refused.status).toBe(503);
    for (const service of ["ipconfig-1", "ipconfig-2"]) await system.on(service, "start");
    const startedAt = performance.now();
    await waitFor("an answer", answers, 20_000);
    await figure(
      "last good list corrupted",
      `refused with a log line; serves ${seconds(performance.now() - startedAt)} after ipconfig was started`,
    );
  });

  test("the disk of the last good list full: the old file stays, and it is said", async () => {
    // compose.test.yaml gives router-2 a small volume in memory.
    await waitFor("the list on disk", async () => (await lastGood("router-2")).includes("demo-5"));
    const since = now();
    await system.exec("router-2", ["sh", "-c", "cat /dev/zero > /var/lib/routectl/filler"]);
    const before = await lastGood("router-2");
    recording = await startRecording(system);
    await system.must("weight", "set", "demo", "demo-1=31", "--wait");
    await waitFor(
      "the warning",
      async () => (await lineOf(/last good list can't be written/, since, "router-2")) !== undefined,
    );
    const line = await lineOf(/last good list can't be written/, since, "router-2");
    const after = await lastGood("router-2");
    await system.exec("router-2", ["rm", "/var/lib/routectl/filler"]);
    await system.must("weight", "clear", "demo", "--wait");
    await waitFor("the list on disk to be written again", async () => (await lastGood("router-2")) !== before);
    await recording.stop();
    await figure(
      "disk of the last good list full",
      `${summaryOf(recording.outcomes)}; old file intact, said so, written again when there is room`,
    );
    expect(line).toMatch(/No space left/);
    expect(after).toBe(before);
    expect(describeFailures(failuresOf(recording.outcomes))).toEqual({});
  });
});
