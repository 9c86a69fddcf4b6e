import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import { type Recording, startRecording } from "./support/recorder.ts";
import { figure, type System, startSystem } from "./support/system.ts";
import {
  DEMO_WEIGHTS,
  describeFailures,
  expectOnlyWritten,
  expectSound,
  failuresOf,
  seconds,
  summaryOf,
} from "./support/validators.ts";

const { skipped } = inject("docker");
const IPCONFIGS = ["ipconfig-1", "ipconfig-2"];
const FRESH_WITHIN_MS = 2000;

describe.skipIf(skipped !== undefined)("faults of ipconfigs and of the way to them", () => {
  let system: System;
  let recording: Recording;
  beforeAll(async () => {
    system = await startSystem("ipconfigs");
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

  /** When the first router samples say so for every one of some routers; the latest of them. */
  const allSeen = async (
    mode: string,
    since: number,
    timeoutMs: number,
    routers = ["router-1", "router-2"],
  ): Promise<number> =>
    Math.max(
      ...(await Promise.all(
        routers.map((name) =>
          recording.seen(
            `mode ${mode} of ${name}`,
            (sample) => sample.router === name && sample.mode === mode,
            since,
            timeoutMs,
          ),
        ),
      )),
    );

  const answersAgain = async (service: string): Promise<void> => {
    await waitFor(
      `${service} to answer`,
      async () => (await system.exec(service, ["healthcheck", "9146", "/readyz"])).status === 0,
    );
  };

  const judge = async (row: string, text: string): Promise<void> => {
    await recording.stop();
    await figure(row, `${summaryOf(recording.outcomes)}; ${text}`);
    expect(describeFailures(failuresOf(recording.outcomes))).toEqual({});
    expectSound(recording);
    expectOnlyWritten(recording.samples, DEMO_WEIGHTS);
  };

  test("all killed for two minutes: no request fails, and mode and metrics say so", async () => {
    for (const service of IPCONFIGS) await system.on(service, "kill");
    const killedAt = performance.now();
    const fallbackAt = await allSeen("fallback", killedAt, 15_000);
    for (const { admin } of system.routers) {
      const metrics = await (await fetch(`${admin}/metrics`)).text();
      expect(metrics).toContain('routectl_service_mode{service="demo",mode="fallback"} 1');
    }
    await delay(Math.max(0, killedAt + 120_000 - performance.now()));
    for (const service of IPCONFIGS) await system.on(service, "start");
    await Promise.all(IPCONFIGS.map(answersAgain));
    const releasedAt = performance.now();
    const normalAt = await allSeen("normal", fallbackAt + 1000, 15_000);
    await delay(1000);
    const freshAfter = Math.max(0, normalAt - releasedAt);
    await judge(
      "all ipconfigs killed for two minutes",
      `fallback after ${seconds(fallbackAt - killedAt)}, fresh ${seconds(freshAfter)} after release`,
    );
    expect(freshAfter).toBeLessThan(FRESH_WITHIN_MS);
  });

  test("all paused: no request fails", async () => {
    for (const service of IPCONFIGS) await system.pause(service);
    const pausedAt = performance.now();
    const fallbackAt = await allSeen("fallback", pausedAt, 20_000);
    await delay(3000);
    for (const service of IPCONFIGS) await system.on(service, "unpause");
    const releasedAt = performance.now();
    const normalAt = await allSeen("normal", releasedAt, 15_000);
    await delay(1000);
    const freshAfter = normalAt - releasedAt;
    await judge(
      "all ipconfigs paused",
      `fallback after ${seconds(fallbackAt - pausedAt)}, fresh ${seconds(freshAfter)} after release`,
    );
    expect(freshAfter).toBeLessThan(FRESH_WITHIN_MS);
  });

  test("one cut off from etcd while the other goes on: the routers end on the newer revision, and stay there", async () => {
    await system.iptables(
      "ipconfig-1",
      "-A OUTPUT -p tcp --dport 2379 -j DROP",
      "-A INPUT -p tcp --sport 2379 -j DROP",
    );
    const cutAt = performance.now();
    try {
      await delay(1000);
      const written: number[] = [];
      for (const weight of [90, 80, 70, 60]) {
        const { revision } = await system.json<{ revision: number }>("weight", "set", "demo", `demo-1=${weight}`);
        written.push(revision);
        await delay(1500);
      }
      const newest = written.at(-1)!;
      const appliedAt = Math.max(
        ...(await Promise.all(
          system.routers.map(({ name }) =>
            recording.seen(
              `${name} to apply revision ${newest}`,
              (sample) => sample.router === name && sample.workers.every(({ revision }) => revision >= newest),
              cutAt,
            ),
          ),
        )),
      );
      await delay(5000);
      const after = recording.samples.filter(({ at }) => at > appliedAt);
      expect(after.filter(({ weights }) => weights["demo-1"] !== 60)).toEqual([]);
      expect(after.every(({ mode }) => mode === "manual")).toBe(true);
    } finally {
      await system.iptables("ipconfig-1", "-F OUTPUT", "-F INPUT");
      await system.must("weight", "clear", "demo");
    }
    await delay(2000);
    await judge("one of two ipconfigs cut off from etcd", "both routers on the newer revision, none went back");
  });

  for (const [direction, rule] of [
    ["its requests", "-A OUTPUT -p tcp --dport 9146 -j DROP"],
    ["the answers", "-A INPUT -p tcp --sport 9146 -j DROP"],
  ] as const) {
    test(`a router cut off from all ipconfigs, ${direction} are lost: fallback, and back`, async () => {
      await system.iptables("router-1", rule);
      const cutAt = performance.now();
      const fallbackAt = await allSeen("fallback", cutAt, 20_000, ["router-1"]);
      await delay(2000);
      await system.iptables("router-1", "-F OUTPUT", "-F INPUT");
      const releasedAt = performance.now();
      const normalAt = await allSeen("normal", releasedAt - 500, 15_000, ["router-1"]);
      await delay(1000);
      const freshAfter = Math.max(0, normalAt - releasedAt);
      const others = recording.samples.filter(({ router, mode }) => router === "router-2" && mode === "fallback");
      await judge(
        `router cut off, ${direction} are lost`,
        `fallback after ${seconds(fallbackAt - cutAt)}, fresh ${seconds(freshAfter)} after release`,
      );
      expect(others).toEqual([]);
      expect(freshAfter).toBeLessThan(FRESH_WITHIN_MS);
    });
  }
});
