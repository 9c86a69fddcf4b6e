import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { startRecording } from "./support/recorder.ts";
import { figure, type System, startSystem } from "./support/system.ts";
import { describeFailures, expectSound, failuresOf, sharesOf, summaryOf } from "./support/validators.ts";

const { skipped } = inject("docker");

describe.skipIf(skipped !== undefined)("clocks", () => {
  let system: System;
  beforeAll(async () => {
    // router-1 asks the late ipconfig first, router-2 the other one.
    system = await startSystem("clock", { ROUTER_1_IPCONFIG: "http://late-ipconfig:9146,http://ipconfig-1:9146" });
  });
  afterAll(async () => {
    await system?.close();
  });

  test("an ipconfig and an exporter an hour ahead: nothing expires, and a manual weight keeps its time", async () => {
    await system.must("weight", "set", "demo", "demo-1=20", "--ttl", "30m");
    const recording = await startRecording(system);
    await system.compose("--profile", "late", "up", "-d", "--no-build", "late-ipconfig", "late-exporter");
    const { stdout } = await system.exec("late-ipconfig", ["date", "+%s"]);
    const aheadSeconds = Number(stdout) - Date.now() / 1000;
    // The late exporter takes the service over, the late ipconfig the routers.
    await system.on("exporter-1", "kill");
    await system.on("exporter-2", "kill");
    await system.on("ipconfig-1", "kill");
    await delay(8000);
    await system.on("ipconfig-2", "kill");
    const aloneAt = performance.now();
    await delay(8000);
    await recording.stop();
    const alone = recording.samples.filter(({ at, router }) => at > aloneAt + 1000 && router === "router-1");
    const shares = sharesOf(recording.outcomes);
    await figure(
      "clock of one container an hour off",
      `${summaryOf(recording.outcomes)}; ahead by ${aheadSeconds.toFixed(0)} s, nothing expired`,
    );
    expect(aheadSeconds).toBeGreaterThan(3500);
    expect(describeFailures(failuresOf(recording.outcomes))).toEqual({});
    expect(recording.samples.filter(({ weights }) => weights["demo-1"] !== 20)).toEqual([]);
    expect(recording.samples.filter(({ states }) => Object.values(states).some((state) => state === "down"))).toEqual(
      [],
    );
    expect(alone.length).toBeGreaterThan(10);
    expect(alone.filter(({ mode }) => mode !== "manual")).toEqual([]);
    expect(shares["demo-1"]).toBeLessThan(0.1);
    expectSound(recording);
  });
});
