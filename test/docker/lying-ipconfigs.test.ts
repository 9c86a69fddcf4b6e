import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { parse } from "yaml";
import { expressionsOf, metricsIn, readDashboard } from "../support/dashboard.ts";
import { ROOT } from "../support/root.ts";
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
const FRESH_WITHIN_MS = 2000;

describe.skipIf(skipped !== undefined)("ipconfigs that answer rubbish", () => {
  let system: System;
  let recording: Recording;
  beforeAll(async () => {
    // The helper stands between the routers and both ipconfigs.
    system = await startSystem("lies", {
      ROUTER_1_IPCONFIG: "http://helper:9146,http://helper:9147",
      ROUTER_2_IPCONFIG: "http://helper:9147,http://helper:9146",
    });
    // What is older from now on.
    await system.helper("remember");
    await system.must("weight", "set", "demo", "demo-1=77", "--ttl", "1h", "--wait");
    await system.must("weight", "clear", "demo", "--wait");
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

  test.each([
    ["slow", "one byte a second"],
    ["garbage", "garbage"],
    ["empty", "nothing"],
    ["truncated", "half of it"],
    ["older", "an older list"],
    ["huge", "100 MB"],
  ])("%s: %s", async (mode, words) => {
    const both = (wanted: string, since: number): Promise<number> =>
      Promise.all(
        system.routers.map(({ name }) =>
          recording.seen(
            `mode ${wanted} of ${name}`,
            (sample) => sample.router === name && sample.mode === wanted,
            since,
            20_000,
          ),
        ),
      ).then((times) => Math.max(...times));
    const from = performance.now();
    await system.helper(`ipconfig?mode=${mode}`);
    const fallbackAt = await both("fallback", from);
    await delay(1000);
    const metrics = await (await fetch(`${system.routers[0]!.admin}/metrics`)).text();
    await system.helper("ipconfig?mode=pass");
    const releasedAt = performance.now();
    const normalAt = await both("normal", releasedAt);
    await delay(1000);
    await recording.stop();
    const freshAfter = normalAt - releasedAt;
    const text = `fallback after ${seconds(fallbackAt - from)}, fresh ${seconds(freshAfter)} after release`;
    await figure(`all ipconfigs answer ${words}`, `${summaryOf(recording.outcomes)}; ${text}`);
    expect(describeFailures(failuresOf(recording.outcomes))).toEqual({});
    expectSound(recording);
    expectOnlyWritten(recording.samples, DEMO_WEIGHTS);
    expect(metrics).toContain('routectl_service_mode{service="demo",mode="fallback"} 1');
    expect(freshAfter).toBeLessThan(FRESH_WITHIN_MS);
  });

  test("by now there is every metric that the dashboard and the alerts name", async () => {
    // Nothing listens there: it is ejected.
    const instance = ["--id", "demo-6", "--address", "helper", "--port", "8099"];
    await system.must("service", "register", "demo", ...instance, "--wait");
    const pageOf = async (url: string): Promise<string> => {
      const script = `fetch("${url}/metrics").then((r) => r.text()).then(console.log)`;
      return (await system.exec("routectl", ["node", "-e", script])).stdout;
    };
    const parts = [
      "router-1:9145",
      "router-2:9145",
      "ipconfig-1:9146",
      "ipconfig-2:9146",
      "exporter-1:9147",
      "exporter-2:9147",
    ];
    const alerts = parse(await readFile(join(ROOT, "docker/prometheus/alerts.yml"), "utf8")) as Alerts;
    const rules = alerts.groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
    const named = metricsIn([...expressionsOf(readDashboard()), ...rules]);
    let missing: string[] = [];
    await waitFor("every metric", async () => {
      const pages = await Promise.all(parts.map((part) => pageOf(`http://${part}`)));
      const there = new Set([...pages.join("\n").matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name!));
      missing = [...named].filter((name) => !there.has(name));
      return missing.length === 0;
    }).catch(() => undefined);
    expect(missing).toEqual([]);
    expect(named.size).toBeGreaterThan(15);
  });
});

interface Alerts {
  readonly groups: readonly { readonly rules: readonly { readonly expr: string }[] }[];
}
