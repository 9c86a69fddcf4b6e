import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import { run } from "./support/command.ts";
import { TAG } from "./support/images.ts";
import { figure, type System, startSystem } from "./support/system.ts";
import { seconds } from "./support/validators.ts";

const { skipped } = inject("docker");
const SERVICES = [
  ...["etcd-1", "etcd-2", "etcd-3", "ipconfig-1", "ipconfig-2", "exporter-1", "exporter-2", "router-1", "router-2"],
  ...["demo-1", "demo-2", "demo-3", "demo-4", "demo-5"],
];
const STOP_WITHIN_MS = 3000;
const SCRAPED = [
  ...["etcd-1:2379", "etcd-2:2379", "etcd-3:2379", "exporter-1:9147", "exporter-2:9147"],
  ...["ipconfig-1:9146", "ipconfig-2:9146", "router-1:9145", "router-2:9145"],
];
/** Of a network for documentation: nobody answers there (RFC 5737). */
const NO_NAME_SERVER = "192.0.2.1";

interface Status {
  readonly etcd: {
    readonly reachable: boolean;
    readonly members: readonly { readonly name: string; readonly healthy: boolean; readonly leader: boolean }[];
  };
  readonly ipconfigs: readonly { readonly reachable: boolean }[];
  readonly exporters: readonly unknown[];
  readonly routers: readonly { readonly node: string; readonly reachable: boolean; readonly mode: string }[];
}

describe.skipIf(skipped !== undefined)("the compose file", () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem("deployment", { HEALTHCHECK_INTERVAL: "5s" });
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
    const table = await waitForHealthy();
    expect(table).toMatch(/^ {2}member etcd-1 +http:\/\/etcd-1:2379 +ok /m);
    const status = await system.json<Status>("status");
    expect(status.etcd.reachable).toBe(true);
    expect(status.etcd.members.map(({ name, healthy }) => [name, healthy])).toEqual([
      ["etcd-1", true],
      ["etcd-2", true],
      ["etcd-3", true],
    ]);
    expect(status.etcd.members.filter(({ leader }) => leader)).toHaveLength(1);
    expect(status.ipconfigs.map(({ reachable }) => reachable)).toEqual([true, true]);
    expect(status.exporters).toHaveLength(2);
    expect(status.routers.map(({ node, reachable, mode }) => [node, reachable, mode])).toEqual([
      ["router-1", true, "normal"],
      ["router-2", true, "normal"],
    ]);
    await figure(
      "cold start of the whole system",
      `every instance is routed to ${seconds(system.startMs())} after compose up`,
    );
  });

  /** Both exporters may not have told of themselves yet. @returns what `routectl status` prints */
  const waitForHealthy = async (): Promise<string> => {
    let table = "";
    await waitFor("every part to be healthy", async () => {
      const { status, stdout } = await system.routectl("status");
      table = stdout;
      return status === 0 && /^exporter exporter-1/m.test(stdout) && /^exporter exporter-2/m.test(stdout);
    });
    return table;
  };

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

  test("with the profile prometheus, it asks every part and evaluates every rule", async () => {
    await system.compose("--profile", "prometheus", "up", "-d", "--no-build", "prometheus");
    const ask = async <T>(path: string): Promise<T> => {
      const response = await fetch(`${system.prometheus}/api/v1/${path}`);
      return ((await response.json()) as { data: T }).data;
    };
    interface Targets {
      activeTargets: { health: string; labels: { instance: string } }[];
    }
    interface Rules {
      groups: { rules: { health: string; name: string }[] }[];
    }
    const up = async (): Promise<string[]> => {
      const { activeTargets } = await ask<Targets>("targets").catch((): Targets => ({ activeTargets: [] }));
      return activeTargets.filter(({ health }) => health === "up").map(({ labels }) => labels.instance);
    };
    await waitFor("all targets to be up", async () => (await up()).length === SCRAPED.length, 30_000);
    expect((await up()).sort()).toEqual(SCRAPED);
    await waitFor("all rules to be evaluated", async () => {
      const rules = (await ask<Rules>("rules")).groups.flatMap((group) => group.rules);
      return rules.length > 0 && rules.every(({ health }) => health === "ok");
    });
  });

  test("without any name server routectl ends within seconds, too", async () => {
    const network = await system.docker(
      "inspect",
      "--format",
      "{{.HostConfig.NetworkMode}}",
      await system.idOf("routectl"),
    );
    const where = ["--network", network, "--dns", NO_NAME_SERVER, `routectl:${TAG}`];
    const { status, ms } = await run(
      "docker",
      ["run", "--rm", ...where, "service", "list", "--etcd", "http://nowhere:2379"],
      {
        env: inject("docker").env,
      },
    );
    expect(status).toBe(3);
    expect(ms).toBeLessThan(6000);
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
