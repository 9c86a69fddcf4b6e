import { Server, ServerCredentials } from "@grpc/grpc-js";
import pino from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Exporter, startExporter } from "../../cli/exporter/exporter.ts";
import { serveStatus } from "../../cli/status/index.ts";
import { type Operation, openStore, type Store } from "../../cli/store/etcd.ts";
import { registerInstance } from "../../cli/store/registration.ts";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { startReportingService, startScriptedReports } from "../support/reporting-service.ts";
import { waitFor } from "../support/wait.ts";

const INTERVAL_MS = 200;
const WRITE = { by: "test", reason: "", dryRun: false };

interface Scores {
  instances: {
    id: string;
    state: string;
    reason?: string;
    score: number;
    raw: number;
    presence: number;
    means: Record<string, number>;
  }[];
}

let etcd: TestEtcd;
let store: Store;
let replica: TestReplica;
let warnings: string[];
const cleanUps: (() => unknown)[] = [];
let service: string;
let count = 0;

beforeAll(async () => {
  etcd = await startEtcd();
  store = openStore({ urls: etcd.url });
  replica = await startTestReplica(etcd.url);
});
afterAll(async () => {
  await replica.stop();
  store.close();
  await etcd.close();
});
beforeEach(() => {
  service = `s-${++count}`;
  warnings = [];
});
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function exporter(id: string, wrap = (own: Store): Store => own): Promise<Exporter & { kill(): Promise<void> }> {
  const logger = pino({}, { write: (line: string) => void warnings.push((JSON.parse(line) as { msg: string }).msg) });
  const own = openStore({ urls: etcd.url });
  const started = await startExporter(wrap(own), { id, intervalMs: INTERVAL_MS }, logger);
  let stopped = false;
  cleanUps.push(async () => {
    if (!stopped) await started.stop();
    own.close();
  });
  const kill = async (): Promise<void> => {
    stopped = true;
    await started.stop();
  };
  return { ...started, kill };
}

async function register(id: string, statusPort?: number): Promise<void> {
  const metadata: Record<string, string> = statusPort === undefined ? {} : { statusPort: String(statusPort) };
  await registerInstance(store, service, { id, address: "127.0.0.1", port: 9, metadata }, WRITE);
}

async function scoreOf(id: string): Promise<Scores["instances"][number] | undefined> {
  const answer = await replica.get(`/v1/services/${service}/scores`);
  if (answer.status !== 200) return undefined;
  return ((await answer.json()) as Scores).instances.find((instance) => instance.id === id);
}

describe("instances that speak the field's standards", () => {
  test("are scored without a line of our code in them", async () => {
    const busy = await startReportingService();
    const idle = await startReportingService();
    cleanUps.push(busy.stop, idle.stop);
    busy.recorder.setCpuUtilizationMetric(0.95);
    idle.recorder.setCpuUtilizationMetric(0.05);
    await register("busy", busy.port);
    await register("idle", idle.port);
    await register("unscored");
    await exporter("one");
    await waitFor("the scores to differ", async () => ((await scoreOf("busy"))?.score ?? 1) < 0.4, 20_000);
    expect((await scoreOf("idle"))!.score).toBeGreaterThan(0.9);
    expect(await scoreOf("unscored")).toMatchObject({ state: "unscored", score: 1 });
    await waitFor(
      "the busy one to be last",
      async () => (await replica.service(service))!.instances.at(-1)!.id === "busy",
    );

    busy.health.setStatus("", "NOT_SERVING");
    await waitFor("it to be down by its own word", async () => (await scoreOf("busy"))?.state === "down");
    expect((await scoreOf("busy"))!.reason).toBe("it says that it does not serve");
    await waitFor("weight 0 on the list", async () => {
      const listed = await replica.service(service);
      return listed!.instances.find(({ id }) => id === "busy")!.weight === 0;
    });
  });

  test("and one with routectl/status reports all figures by itself", async () => {
    const { createServer } = await import("node:http");
    const server = createServer((_request, response) => setTimeout(() => response.writeHead(500).end(), 20));
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
    });
    const status = await serveStatus({ server });
    cleanUps.push(status.stop, () => server.close());
    await register("one", status.port);
    await exporter("two");
    const requests = setInterval(() => void fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text()), 20);
    cleanUps.push(() => clearInterval(requests));
    await waitFor("its figures", async () => {
      const means = (await scoreOf("one"))?.means;
      return (
        means !== undefined && means.latencyMs! >= 15 && means.errorsPerSecond! > 5 && means.requestsPerSecond! > 5
      );
    });
    expect((await scoreOf("one"))!.means.memory).toBeGreaterThan(0);
  });
});

describe("an instance that can't be reached", () => {
  test("is down after three tries, in so many words, and is back when it answers again", async () => {
    const first = await startReportingService();
    const other = await startReportingService();
    cleanUps.push(other.stop);
    await register("a", first.port);
    await register("b", other.port);
    await exporter("three");
    await waitFor("it to be scored", async () => (await scoreOf("a"))?.state === "up");
    first.stop();
    await waitFor("it to be down", async () => (await scoreOf("a"))?.state === "down");
    expect(warnings.join("\n")).toMatch(new RegExp(`${service}/a is down: .*(ECONNREFUSED|UNAVAILABLE|connect)`, "i"));
    expect((await scoreOf("b"))!.state).toBe("up");
    const again = await startReportingService(first.port);
    cleanUps.push(again.stop);
    await waitFor("it to be back", async () => (await scoreOf("a"))?.state === "up", 20_000);
    expect((await scoreOf("a"))!.score).toBeLessThan(0.6);
  });
});

describe("an instance that reports nonsense", () => {
  const orca = (fields: object): object => ({ cpu_utilization: 0.1, mem_utilization: 0.1, ...fields });

  test.each([
    ["NaN", { cpu_utilization: Number.NaN }, "cpu"],
    ["infinity", { mem_utilization: Number.POSITIVE_INFINITY }, "memory"],
    ["a negative rate", { rps_fractional: -5 }, "requestsPerSecond"],
    ["a CPU of 40", { cpu_utilization: 40 }, "cpu"],
    ["a negative latency", { named_metrics: { latency_ms: -1 } }, "latencyMs"],
  ])("%s: it is left out or clamped, counted, and told once", async (_what, fields, figure) => {
    const scripted = await startScriptedReports((write) => {
      const timer = setInterval(() => write(orca(fields)), 50);
      return () => clearInterval(timer);
    });
    cleanUps.push(scripted.stop);
    await register("odd", scripted.port);
    const { metrics } = await exporter(`odd-${count}`);
    await waitFor("it to be scored", async () => (await scoreOf("odd"))?.state === "up");
    await waitFor("some reports", async () =>
      /bad_figures_total\{[^}]*\} ([5-9]|\d\d)/.test(await metrics.registry.metrics()),
    );
    expect(warnings.filter((text) => text.includes(`odd reports ${figure}`))).toHaveLength(1);
    const { score } = (await scoreOf("odd"))!;
    expect(score).toBeGreaterThanOrEqual(0.05);
    expect(score).toBeLessThanOrEqual(1);
  });

  test("a stream that opens and says nothing: it is silent, and its score decays", async () => {
    const silent = await startScriptedReports(() => undefined);
    const other = await startReportingService();
    cleanUps.push(silent.stop, other.stop);
    await register("silent", silent.port);
    await register("other", other.port);
    await exporter("four");
    await waitFor("a low score", async () => ((await scoreOf("silent"))?.score ?? 1) <= 0.06, 20_000);
    expect(warnings.join("\n")).toContain(`${service}/silent is silent`);
    await waitFor("the other one to be well", async () => (await scoreOf("other"))!.score > 0.9);
  });

  test("ten thousand reports a second: most are not read, and the others go on", async () => {
    const flood = await startScriptedReports((write) => {
      const timer = setInterval(() => {
        for (let i = 0; i < 100; i++) write(orca({}));
      }, 10);
      return () => clearInterval(timer);
    });
    const other = await startReportingService();
    cleanUps.push(flood.stop, other.stop);
    await register("flood", flood.port);
    await register("other", other.port);
    const { metrics } = await exporter("five");
    await waitFor("the flood to be counted", async () =>
      /report_floods_total [1-9]/.test(await metrics.registry.metrics()),
    );
    await waitFor("both to be scored", async () => {
      const [a, b] = [await scoreOf("flood"), await scoreOf("other")];
      return a?.state === "up" && b?.state === "up";
    });
    expect(warnings.filter((text) => text.includes("far more reports"))).toHaveLength(1);
  });
});

describe("an instance with habits of its own", () => {
  test("that reports rarely, as grpc-go does at every half minute, is not taken for silent", async () => {
    const rare = await startScriptedReports((write) => {
      write({ cpu_utilization: 0.5 });
      return undefined;
    });
    cleanUps.push(rare.stop);
    await register("rare", rare.port);
    await exporter("six");
    await waitFor("it to be scored", async () => (await scoreOf("rare"))?.means?.cpu === 0.5);
    await waitFor("many intervals", async () => ((await scoreOf("rare"))?.presence ?? 0) === 1);
    expect((await scoreOf("rare"))!.state).toBe("up");
    expect(warnings.join()).not.toContain("silent");
  });

  test("that speaks neither of the two services is unscored, and scored when its next version does", async () => {
    const nothing = new Server();
    const port = await new Promise<number>((resolve, reject) => {
      nothing.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    await register("plain", port);
    await exporter("seven");
    const { items } = await store.list(store.keys.status(service, ""));
    expect(items).toEqual([]);
    nothing.forceShutdown();
    await waitFor("it to be down", async () => (await scoreOf("plain"))?.state === "down");
    const next = await startReportingService(port);
    cleanUps.push(next.stop);
    await waitFor("it to be up", async () => (await scoreOf("plain"))?.state === "up", 30_000);
  });
});

describe("exporters", () => {
  test("share the services, put one key a service, and take over when one dies", async () => {
    const reporting = await startReportingService();
    cleanUps.push(reporting.stop);
    const services = Array.from({ length: 12 }, (_, index) => `shared-${count}-${index}`);
    for (const name of services) {
      service = name;
      await register("a", reporting.port);
      await register("b", reporting.port);
    }
    const owners = async (): Promise<string[][]> => {
      const { items } = await store.list(store.keys.statuses());
      return services.map((name) =>
        items
          .map(({ key }) => store.keys.parse(key))
          .flatMap((parsed) => (parsed?.kind === "status" && parsed.service === name ? [parsed.id] : [])),
      );
    };
    const first = await exporter("left");
    await waitFor("the first to have all", async () => (await owners()).every((ids) => ids.join() === "left"), 20_000);
    await exporter("right");
    await waitFor(
      "both to have some, and each service one",
      async () => {
        const found = await owners();
        return found.every((ids) => ids.length === 1) && new Set(found.flat()).size === 2;
      },
      20_000,
    );
    await first.kill();
    await waitFor("the other to have all", async () => (await owners()).every((ids) => ids.join() === "right"), 20_000);
  });

  test("say which service's status is too large for etcd, once", async () => {
    const reporting = await startReportingService();
    cleanUps.push(reporting.stop);
    for (let i = 0; i < 9; i++) await register(`an-instance-${i}`, reporting.port);
    const enlarged = (operation: Operation): Operation =>
      "put" in operation && operation.put.includes(`/${service}/`)
        ? { ...operation, value: operation.value.padEnd(1_600_000) }
        : operation;
    let commits = 0;
    await exporter("large", (own) => ({
      ...own,
      commit: (expectations, operations) => {
        commits++;
        return own.commit(expectations, operations.map(enlarged));
      },
    }));
    const told = () => warnings.filter((text) => text.startsWith(`the status of ${service} (`));
    await waitFor("the warning", () => told().length > 0);
    const before = commits;
    await waitFor("more refused requests", () => commits > before + 4);
    expect(told()).toHaveLength(1);
    expect(told()[0]).toMatch(/ \(\d{3,} bytes\).* is not written: .* is larger than its --max-request-bytes$/);
  });

  test("a status of an instance that is not registered is told once, and changes nothing", async () => {
    await register("real");
    const value = JSON.stringify({
      at: Date.now() + 3_600_000,
      intervalMs: 1000,
      samples: { ghost: { state: "down" }, real: { state: "up", cpu: -1 } },
    });
    await etcd.raw.put(store.keys.status(service, "forged"), value);
    await waitFor("the warning", () =>
      replica.warnings.some((text) => text.includes("reports ghost, which is no instance")),
    );
    expect(
      replica.warnings.some((text) => /clock of exporter forged differs from ours by 3[56]\d\d s/.test(text)),
    ).toBe(true);
    expect((await replica.service(service))!.instances.map(({ id }) => id)).toEqual(["real"]);
    await etcd.raw.put(store.keys.status(service, "forged"), "garbage");
    await waitFor("the warning", () => replica.warnings.some((text) => text.includes("is not a status")));
  });

  test("of the same name do not work at once: the second waits until the first one's lease has ended", async () => {
    const reporting = await startReportingService();
    cleanUps.push(reporting.stop);
    await register("a", reporting.port);
    const first = await exporter("twin");
    await waitFor("it to be scored", async () => (await scoreOf("a"))?.state === "up");
    await exporter("twin");
    await waitFor("the warning", () => warnings.some((text) => text.includes("an exporter called twin is registered")));
    await first.kill();
    await waitFor("the second to take over", async () => {
      const { items } = await store.list(store.keys.status(service, ""));
      return items.length === 1;
    });
  });
});
