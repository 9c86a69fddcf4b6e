import { readFile } from "node:fs/promises";
import { Pool } from "undici";
import { type Operation, openStore } from "../../cli/store/etcd.ts";
import { childrenOf, startTestStack } from "../support/stack.ts";
import { waitFor } from "../support/wait.ts";
import type { Gate } from "./gate.ts";

const SERVICES = 1000;
const INSTANCES = 100;

/** 1,000 services of 100 instances each: how long until they are routed, and what they cost in memory. */
export async function benchScale(): Promise<Gate[]> {
  const stack = await startTestStack();
  const store = openStore({ urls: stack.etcd, callTimeoutMs: 10_000 });
  try {
    const workers = await childrenOf(stack.pidOf("nginx"));
    const before = await Promise.all(workers.map(privateMegabytes));
    const { peers } = await stack.json<{ peers: { port: number }[] }>("peers", "demo");
    const ports = peers.map(({ port }) => port);

    const loadStart = performance.now();
    for (let service = 0; service < SERVICES; service++) {
      const operations: Operation[] = [];
      for (let instance = 0; instance < INSTANCES; instance++) {
        const id = `i-${instance}`;
        const value = {
          id,
          name: id,
          address: "127.0.0.1",
          port: ports[instance % ports.length],
          weight: 100,
          metadata: {},
        };
        operations.push({ put: store.keys.instance(`s-${service}`, id), value: JSON.stringify(value) });
      }
      await store.commit([{ key: store.keys.instance(`s-${service}`, "none"), modRevision: 0 }], operations);
    }
    const written = performance.now();
    const status = async () => (await (await fetch(`${stack.admin}/v1/status`)).json()) as { services: number };
    await waitFor("all services at the router", async () => (await status()).services === SERVICES + 1, 120_000);
    const routed = performance.now();

    // Requests for every service on many connections, so that every worker builds every table.
    let failed = 0;
    const pools = Array.from({ length: 16 }, () => new Pool(stack.router, { connections: 1 }));
    const slowest: number[] = [];
    for (const pool of pools) {
      for (let service = 0; service < SERVICES; service++) {
        const started = performance.now();
        const { statusCode, body } = await pool.request({ path: `/s-${service}/`, method: "GET" });
        await body.dump();
        slowest.push(performance.now() - started);
        if (statusCode !== 200) failed++;
      }
    }
    await Promise.all(pools.map((pool) => pool.close()));
    const after = await Promise.all(workers.map(privateMegabytes));
    const grown = Math.max(...after.map((megabytes, index) => megabytes - before[index]!));
    console.log(
      `${SERVICES} services × ${INSTANCES} instances: written to etcd in ${seconds(written - loadStart)}, at the router ` +
        `${seconds(routed - written)} later; ${failed} of ${16 * SERVICES} requests failed; slowest ${Math.max(...slowest).toFixed(0)} ms`,
    );
    console.log(`memory of a worker: ${before.map(Math.round)} MB before, ${after.map(Math.round)} MB after (private)`);
    return [
      { name: "requests that failed", value: failed, limit: 0 },
      { name: "memory of a worker for 100,000 instances, MB", value: grown, limit: 150 },
    ];
  } finally {
    store.close();
    await stack.close();
  }
}

/** What a process has for itself alone: the shared dicts and the program's pages do not count. */
async function privateMegabytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  const kilobytes = [...text.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB$/gm)].map(([, value]) => Number(value));
  return kilobytes.reduce((sum, value) => sum + value, 0) / 1024;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
