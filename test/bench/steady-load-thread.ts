import { parentPort, workerData } from "node:worker_threads";
import { Pool } from "undici";
import { atRate } from "./at-rate.ts";
import { percentile } from "./gate.ts";
import type { LoadFigures, LoadSettings } from "./steady-load.ts";

/** The thread of steady-load.ts: "take" is answered with the figures since the last time, "stop" with the last ones. */
const { url, paths, perSecond, connections } = workerData as LoadSettings;
const pool = new Pool(url, { connections });
let latencies: number[] = [];
let failed = 0;
let stopping = false;

async function send(index: number): Promise<void> {
  const started = performance.now();
  try {
    const { statusCode, body } = await pool.request({ path: paths[index % paths.length]!, method: "GET" });
    await body.dump();
    if (statusCode !== 200) failed++;
  } catch {
    failed++;
  }
  latencies.push(performance.now() - started);
}

function take(): LoadFigures {
  const figures: LoadFigures = {
    requests: latencies.length,
    failed,
    p99Ms: latencies.length === 0 ? 0 : percentile(latencies, 0.99),
    slowestMs: latencies.reduce((most, latency) => Math.max(most, latency), 0),
  };
  latencies = [];
  failed = 0;
  return figures;
}

const load = atRate(perSecond, () => stopping, send);

parentPort!.on("message", async (message: "take" | "stop") => {
  if (message === "stop") {
    stopping = true;
    await load;
    await pool.close();
  }
  parentPort!.postMessage(take());
});
