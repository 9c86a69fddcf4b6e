import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "undici";
import { renderTable } from "../../cli/output/table.ts";
import type { Store } from "../../cli/store/etcd.ts";
import { setWeights } from "../../cli/store/overrides.ts";
import { type BenchRouter, type Ground, layGround, startBenchIpconfig, startBenchRouter } from "./bench-stack.ts";
import { withCleanup } from "./cleanup.ts";
import { createFleet } from "./fleet.ts";
import { type Gate, percentile } from "./gate.ts";
import type { Report } from "./report.ts";
import { startSteadyLoad } from "./steady-load.ts";

const CHANGES = 200;
/** Between two changes, so that the one before is over in every part. */
const PAUSE_MS = 20;
const LOAD = { perSecond: 500, connections: 32 };
const SERVICE = "s-0";
const INSTANCES = 10;

interface Times {
  readonly name: string;
  /** From the moment that the transaction is sent until every worker has sent a request by the new weights. */
  readonly converged: readonly number[];
  /** Until etcd has answered it. */
  readonly written: readonly number[];
}

/** From a manual weight to the first request that goes by it, in every worker: idle and loaded, with few and many services. */
export async function benchConvergence(report: Report): Promise<Gate[]> {
  const all: Times[] = [];
  for (const services of [1, 1000]) {
    await withCleanup(async (later) => {
      const ground = await layGround(later);
      const fleet = createFleet(ground.store, { services, instances: INSTANCES }, ground.instancePorts);
      await fleet.write();
      const ipconfig = await startBenchIpconfig(ground, later);
      const router = await startBenchRouter(ipconfig.url, services, later);
      const name = services === 1 ? "1 service" : `${services.toLocaleString("en")} services`;
      all.push(await timesOf(`${name}, idle`, ground, router));
      const load = startSteadyLoad({ url: router.url, paths: [`/${SERVICE}/`], ...LOAD });
      later(load.stop);
      all.push(await timesOf(`${name}, ${LOAD.perSecond} requests/s`, ground, router));
      const { failed } = await load.take();
      if (failed > 0) report.print(`${failed} requests of the load failed`);
    });
  }
  return judge(all, report);
}

async function timesOf(name: string, ground: Ground, { workers }: BenchRouter): Promise<Times> {
  const converged: number[] = [];
  const written: number[] = [];
  for (let change = 0; change <= CHANGES; change++) {
    const target = change % 2;
    const address = `127.0.0.1:${ground.instancePorts[target]}`;
    let sentAt = 0;
    let seen: Promise<unknown> = Promise.resolve();
    // The clock starts when the transaction goes out: what the command reads before takes as long as etcd takes.
    const store: Store = {
      ...ground.store,
      commit: (expectations, operations) => {
        sentAt = performance.now();
        seen = Promise.all(workers.map((worker) => untilPicked(worker, address)));
        return ground.store.commit(expectations, operations);
      },
    };
    const weights = new Map(
      Array.from({ length: INSTANCES }, (_, index) => [`i-${index}`, index === target ? 100 : 0]),
    );
    await setWeights(store, SERVICE, {
      weights,
      ttlSeconds: undefined,
      by: "bench",
      reason: "",
      dryRun: false,
    });
    const writtenAt = performance.now();
    await seen;
    // The first change comes from weights that name everybody.
    if (change > 0) {
      converged.push(performance.now() - sentAt);
      written.push(writtenAt - sentAt);
    }
    await delay(PAUSE_MS);
  }
  return { name, converged, written };
}

async function untilPicked(worker: Client, address: string): Promise<void> {
  while (true) {
    const { headers, body } = await worker.request({ path: `/${SERVICE}/`, method: "GET" });
    await body.dump();
    if (headers["x-peer"] === address) return;
    await delay(1);
  }
}

function judge(all: readonly Times[], report: Report): Gate[] {
  const rows: string[][] = [];
  const gates: Gate[] = [];
  for (const { name, converged, written } of all) {
    const [p50, p99] = [percentile(converged, 0.5), percentile(converged, 0.99)];
    rows.push([name, ...[p50, p99, Math.max(...converged), percentile(written, 0.5)].map((ms) => ms.toFixed(1))]);
    gates.push({ name: `a manual weight in force in every worker, ${name}, p50 ms`, value: p50, limit: 20 });
    gates.push({ name: `the same, p99 ms`, value: p99, limit: 100 });
  }
  report.print(
    renderTable(["A MANUAL WEIGHT IN FORCE", "P50 ms", "P99 ms", "LONGEST ms", "OF IT ETCD'S WRITE, P50 ms"], rows),
  );
  report.print(`${CHANGES} changes each, from the sending of the transaction to each worker's first request by it.`);
  report.draw({
    file: "convergence",
    title: "Until a manual weight is in force everywhere, ms",
    bars: all.flatMap(({ name, converged }) => [
      { label: name, group: "p50", value: percentile(converged, 0.5) },
      { label: name, group: "p99", value: percentile(converged, 0.99) },
    ]),
  });
  return gates;
}
