import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { type Recording, startRecording } from "./support/recorder.ts";
import { figure, INSTANCES, type System, startSystem } from "./support/system.ts";
import { describeFailures, expectSound, failuresOf, sharesOf, summaryOf } from "./support/validators.ts";
import type { RouterSample } from "./support/watch.ts";

const { skipped } = inject("docker");
const WORKERS = 2;
const ERRORS_A_WORKER = 5;
/** An instance that is silent is down for the exporter after five seconds at most, and has no weight within another. */
const EXPORTER_SAYS_MS = 6000;

describe.skipIf(skipped !== undefined)("faults of instances", () => {
  let system: System;
  let recording: Recording;
  beforeAll(async () => {
    system = await startSystem("instances");
  });
  afterAll(async () => {
    await system?.close();
  });
  beforeEach(async () => {
    await system.settled();
    recording = await startRecording(system);
  });
  afterEach(async () => {
    await recording?.stop();
  });

  test("an instance killed in the middle of requests: none fails", async () => {
    // Requests are at the instance when it dies.
    const slow = await startRecording(system, "/demo/?delayMs=50");
    await delay(1000);
    await system.on("demo-2", "kill");
    const killedAt = performance.now();
    await delay(5000);
    await Promise.all([slow.stop(), recording.stop()]);
    await system.on("demo-2", "start");
    const outcomes = [...slow.outcomes, ...recording.outcomes];
    await figure("instance SIGKILL mid-request", summaryOf(outcomes));
    expect(describeFailures(failuresOf(outcomes))).toEqual({});
    expect(sharesOf(outcomes, killedAt + 1000)["demo-2"]).toBeUndefined();
    expectSound(recording);
    await system.settled();
  });

  /** Longer than clients are patient: those who give up must not make the instance look free. */
  const PAUSE_MS = 11_000;

  const pause = async (): Promise<{ from: number; to: number }> => {
    await system.pause("demo-3");
    const from = performance.now();
    await delay(PAUSE_MS);
    const to = performance.now();
    await system.on("demo-3", "unpause");
    await delay(1000);
    await recording.stop();
    expectSound(recording);
    return { from, to };
  };

  test("an instance paused, with the second a try that docker/demo.yaml allows: nothing fails", async () => {
    const { from } = await pause();
    const late = failuresOf(recording.outcomes, from + 3000);
    await figure("instance paused (1 s a try)", `${summaryOf(recording.outcomes)}; ${late.length} failed after 3 s`);
    expect(describeFailures(failuresOf(recording.outcomes))).toEqual({});
  });

  test("an instance paused, without a timeout in its policy: it is left out when the exporter says so", async () => {
    await system.must("policy", "set", "demo", "--per-try-timeout", "none", "--wait");
    const { from, to } = await pause();
    await system.must("policy", "set", "demo", "--per-try-timeout", "1s", "--wait");
    const [late, later] = [3000, EXPORTER_SAYS_MS].map((ms) => failuresOf(recording.outcomes, from + ms));
    await figure(
      "  the same without a timeout",
      `${summaryOf(recording.outcomes)}; ${late!.length} failed after 3 s, ${later!.length} after 6 s`,
    );
    expect(describeFailures(later!)).toEqual({});
    expect(sharesOf(recording.outcomes, from + EXPORTER_SAYS_MS, to)["demo-3"]).toBeUndefined();
  });

  test("an instance that answers 500: at most five errors a worker", async () => {
    await system.helper("instance?status=200");
    await system.must(
      "service",
      "register",
      "demo",
      "--id",
      "demo-6",
      "--address",
      "helper",
      "--port",
      "8080",
      "--wait",
    );
    await system.settled(INSTANCES + 1);
    await delay(3000);
    const from = performance.now();
    await system.helper("instance?status=500");
    await delay(8000);
    await recording.stop();
    await system.must("service", "deregister", "demo", "demo-6", "--wait");
    // Some were under way when it began.
    const failures = failuresOf(recording.outcomes, from - 1000);
    await figure(
      "instance answers 500",
      `${summaryOf(recording.outcomes)}; ${failures.length} errors at ${2 * WORKERS} workers, probes included`,
    );
    expect(failures.every(({ status }) => status === 500)).toBe(true);
    expect(failuresOf(recording.outcomes, 0, from - 1000)).toEqual([]);
    expect(failures.length).toBeLessThanOrEqual(2 * WORKERS * ERRORS_A_WORKER);
    expectSound(recording);
  });

  test("an instance that comes and goes once a second for a minute: the others keep their share", async () => {
    // Shares by weight: `adaptive` gives more to those whose answers come sooner.
    await system.must("policy", "set", "demo", "--algorithm", "weighted-random", "--wait");
    const from = performance.now();
    const flap = [
      "for process in /proc/[0-9]*; do",
      'grep -aq "^routectl demo-5" "$process/cmdline" && pid=$(basename "$process");',
      "done;",
      'for second in $(seq 60); do kill -STOP "$pid"; sleep 0.5; kill -CONT "$pid"; sleep 0.5; done',
    ].join(" ");
    const flapped = await system.exec("demo-5", ["sh", "-c", flap]);
    expect(flapped.stderr).toBe("");
    expect(flapped.status).toBe(0);
    const to = performance.now();
    await recording.stop();
    const lists = Math.max(
      ...system.routers.map(({ name }) => {
        const seen = recording.samples.filter(({ router, at }) => router === name && at >= from && at <= to);
        return new Set(seen.map(({ revision }) => revision)).size - 1;
      }),
    );
    await system.must("policy", "set", "demo", "--algorithm", "adaptive", "--wait");
    const stable = ["demo-1", "demo-2", "demo-3", "demo-4"];
    const shares = sharesOf(
      recording.outcomes.filter(({ instance }) => stable.includes(instance)),
      from,
      to,
    );
    const meant = meanShares(
      recording.samples.filter(({ at }) => at >= from && at <= to),
      stable,
    );
    const spread = Math.max(...stable.map((id) => Math.abs((shares[id] ?? 0) / meant[id]! - 1)));
    const text = `${summaryOf(recording.outcomes)}; stable peers within ${(spread * 100).toFixed(1)} %, ${lists} lists`;
    await figure("instance flapping at 1 Hz for a minute", text);
    expect(spread).toBeLessThan(0.1);
    // Each list is one rebuild.
    expect(lists).toBeLessThanOrEqual((to - from) / 1000);
    expectSound(recording);
  });
});

/** What the weights of some instances mean for their shares among each other, on average. */
function meanShares(samples: readonly RouterSample[], ids: readonly string[]): Record<string, number> {
  const means: Record<string, number> = {};
  for (const { weights } of samples) {
    const sum = ids.reduce((total, id) => total + (weights[id] ?? 0), 0);
    for (const id of ids) means[id] = (means[id] ?? 0) + (weights[id] ?? 0) / sum / samples.length;
  }
  return means;
}
