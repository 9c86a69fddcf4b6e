import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { ROOT } from "../support/root.ts";
import { waitFor } from "../support/wait.ts";
import { TAG } from "./support/images.ts";
import { figure, type System, startSystem } from "./support/system.ts";

const { skipped } = inject("docker");
const SERVICES = [
  ...["etcd-1", "etcd-2", "etcd-3", "ipconfig-1", "ipconfig-2", "exporter-1", "exporter-2", "router-1", "router-2"],
  ...["demo-1", "demo-2", "demo-3", "demo-4", "demo-5"],
];
const STOP_WITHIN_MS = 3000;

interface Status {
  readonly etcd: { readonly reachable: boolean };
  readonly ipconfigs: readonly { readonly reachable: boolean }[];
  readonly exporters: readonly unknown[];
  readonly routers: readonly { readonly node: string; readonly reachable: boolean; readonly mode: string }[];
}

describe.skipIf(skipped !== undefined)("the compose file", () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem("deployment");
  });
  afterAll(async () => {
    await system?.close();
  });

  test("a user's first commands: both routers answer, and status shows every part", async () => {
    for (const { url } of system.routers) {
      const response = await fetch(`${url}/demo/`);
      expect(response.status).toBe(200);
      expect(((await response.json()) as { instance: string }).instance).toMatch(/^demo-[1-5]$/);
    }
    const status = await system.json<Status>("status");
    expect(status.etcd.reachable).toBe(true);
    expect(status.ipconfigs.map(({ reachable }) => reachable)).toEqual([true, true]);
    expect(status.exporters).toHaveLength(2);
    expect(status.routers.map(({ node, reachable, mode }) => [node, reachable, mode])).toEqual([
      ["router-1", true, "normal"],
      ["router-2", true, "normal"],
    ]);
    const members = await system.exec("etcd-1", ["etcdctl", "endpoint", "health", "--cluster"]);
    expect(`${members.stdout}${members.stderr}`.match(/ is healthy/g)).toHaveLength(3);
  });

  test("every container becomes healthy, runs without root, and can be told what it is", async () => {
    for (const service of SERVICES) {
      const id = await system.idOf(service);
      await waitFor(
        `${service} to be healthy`,
        async () => (await system.docker("inspect", "--format", "{{.State.Health.Status}}", id)) === "healthy",
        30_000,
      );
      const user = await system.docker("inspect", "--format", "{{.Config.User}}", id);
      expect([service, user]).toEqual([service, expect.stringMatching(/^1000[12]$/)]);
      const title = await system.docker(
        "inspect",
        "--format",
        '{{index .Config.Labels "org.opencontainers.image.title"}}',
        id,
      );
      expect(title).not.toBe("");
    }
  });

  test("a manual weight reaches every worker of both routers", async () => {
    const { revision } = await system.json<{ revision: number }>("weight", "set", "demo", "demo-1=0", "--wait");
    const instances = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const response = await fetch(`${system.routers[index % 2]!.url}/demo/`);
        return ((await response.json()) as { instance: string }).instance;
      }),
    );
    expect(revision).toBeGreaterThan(0);
    expect(instances).not.toContain("demo-1");
    await system.must("weight", "clear", "demo", "--wait");
  });

  test("wrong settings of the router are refused with the reason", async () => {
    for (const [setting, reason] of [
      ["ROUTECTL_IPCONFIG=ftp://ipconfig", /is not of the form http:\/\/HOST:PORT/],
      ["ROUTECTL_WORKERS=2; include /etc/passwd", /must be a number of workers/],
      ["ROUTECTL_STALE_AFTER_MS=soon", /staleAfterMs must be milliseconds/],
      ["ROUTECTL_DRAIN_SECONDS=1.5s", /must be seconds/],
    ] as const) {
      await expect(system.docker("run", "--rm", "-e", setting, `routectl-router:${TAG}`)).rejects.toThrow(reason);
    }
  });

  test("the dashboard can be imported, and asks for metrics that there are", async () => {
    const text = await readFile(join(ROOT, "docker/grafana/routectl.json"), "utf8");
    const alerts = await readFile(join(ROOT, "docker/prometheus/alerts.yml"), "utf8");
    const dashboard = JSON.parse(text) as { title: string; templating: { list: { name: string }[] } };
    expect(dashboard.templating.list.map(({ name }) => name)).toEqual(["datasource", "service", "router"]);
    const source = (path: string): Promise<string> => readFile(join(ROOT, path), "utf8");
    const [router, ipconfig, exporter] = await Promise.all(
      ["lua/router/metrics.ts", "cli/ipconfig/metrics.ts", "cli/exporter/metrics.ts"].map(source),
    );
    const inRouter = [...router!.matchAll(/^ {2}(\w+): "(?:gauge|counter|histogram)"/gm)];
    const inNode = [...`${ipconfig}${exporter}`.matchAll(/"(routectl_\w+)"/g)];
    const known = new Set([...inRouter.map(([, name]) => `routectl_${name}`), ...inNode.map(([, name]) => name!)]);
    const used = [...`${text}${alerts}`.matchAll(/routectl_\w+/g)].map(([name]) => name.replace(/_bucket$/, ""));
    expect([...new Set(used)].filter((name) => !known.has(name))).toEqual([]);
  });

  test("docker stop of each container takes less than three seconds", async () => {
    const images = await Promise.all(
      ["routectl-router", "routectl", "routectl-etcd"].map(async (image) => {
        const bytes = Number(await system.docker("image", "inspect", "--format", "{{.Size}}", `${image}:${TAG}`));
        return `${image} ${Math.round(bytes / 1e6)} MB`;
      }),
    );
    const times: string[] = [];
    let longest = 0;
    // The routers first, with requests under way: they are finished.
    const underWay = system.routers.map(({ url }) => fetch(`${url}/demo/?delayMs=800`).then(({ status }) => status));
    await new Promise((resolve) => setTimeout(resolve, 200));
    for (const service of [...SERVICES]
      .reverse()
      .sort((a, b) => Number(b.startsWith("router")) - Number(a.startsWith("router")))) {
      const startedAt = performance.now();
      await system.on(service, "stop");
      const ms = performance.now() - startedAt;
      longest = Math.max(longest, ms);
      times.push(`${service} ${ms.toFixed(0)} ms`);
    }
    await figure("docker stop", times.join(", "));
    await figure("images", images.join(", "));
    expect(await Promise.all(underWay)).toEqual([200, 200]);
    expect(longest).toBeLessThan(STOP_WITHIN_MS);
  });
});
