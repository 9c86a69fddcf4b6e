import { setTimeout as delay } from "node:timers/promises";
import { Pool } from "undici";
import { openStore } from "../../cli/store/etcd.ts";
import { setWeights } from "../../cli/store/overrides.ts";
import { startTestStack } from "../support/stack.ts";
import { type Gate, percentile } from "./gate.ts";

const CHANGES = 100;
/** More than workers, so that every worker has some: nginx hands new connections to all of them. */
const CONNECTIONS = 8;

/** From a weight's commit to the first request that goes by it, on every connection and so in every worker. */
export async function benchConvergence(): Promise<Gate[]> {
  const stack = await startTestStack();
  const store = openStore({ urls: stack.etcd });
  const pools = Array.from({ length: CONNECTIONS }, () => new Pool(stack.router, { connections: 1 }));
  const instanceOf = async (pool: Pool): Promise<string> => {
    const { body } = await pool.request({ path: "/demo/", method: "GET" });
    return ((await body.json()) as { instance: string }).instance;
  };
  const times: number[] = [];
  try {
    for (let change = 0; change < CHANGES; change++) {
      const target = change % 2 === 0 ? "demo-1" : "demo-2";
      const weights = new Map(["demo-1", "demo-2", "demo-3"].map((id) => [id, id === target ? 100 : 0]));
      const write = { weights, ttlSeconds: undefined, action: "bench", by: "bench", reason: "", dryRun: false };
      await setWeights(store, "demo", write);
      const written = performance.now();
      const converged = pools.map(async (pool) => {
        while ((await instanceOf(pool)) !== target) await delay(1);
      });
      await Promise.all(converged);
      times.push(performance.now() - written);
    }
  } finally {
    store.close();
    await Promise.all(pools.map((pool) => pool.close()));
    await stack.close();
  }
  const [p50, p99, most] = [percentile(times, 0.5), percentile(times, 0.99), Math.max(...times)];
  console.log(`${CHANGES} changes: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, longest ${most.toFixed(1)} ms`);
  return [
    { name: "weight written → first request by it in every worker, p50 ms", value: p50, limit: 20 },
    { name: "the same, p99 ms", value: p99, limit: 100 },
  ];
}
