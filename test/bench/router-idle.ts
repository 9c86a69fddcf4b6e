import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findNginx } from "../../cli/stack/binaries.ts";
import { freePort } from "../../cli/stack/ports.ts";
import { startRouter } from "../support/router.ts";
import type { ScriptedIpconfig } from "../support/scripted-ipconfig.ts";
import { childrenOf } from "../support/stack.ts";
import { waitFor } from "../support/wait.ts";
import type { Later } from "./cleanup.ts";
import { cpuMicroseconds } from "./process-figures.ts";
import { nginxConfiguration } from "./router-configurations.ts";
import { startBenchProcess } from "./router-process.ts";

const SECONDS = 5;
const WORKERS = 2;

/** CPU in milliseconds a second. */
export interface IdleFigures {
  /** All workers of a router that has nothing to do and is told nothing new. */
  readonly total: number;
  /** Its worker that asks ipconfig, and the other one, which has its timer alone. */
  readonly leader: number;
  readonly other: number;
  /** All workers of an nginx in which a timer of Lua fires as often, and does nothing. */
  readonly emptyTimers: number;
}

/** What a router costs that has its lists, while neither requests nor news arrive. */
export async function idleFigures(directory: string, ipconfig: ScriptedIpconfig, later: Later): Promise<IdleFigures> {
  const router = await startRouter({ ipconfig: ipconfig.url, workers: WORKERS });
  later(router.close);
  const timers = await startEmptyTimers(join(directory, "timers"));
  later(timers.stop);
  try {
    const status = (): Promise<{ leaderPid: number | null; services: number }> => router.read("/v1/status");
    await waitFor("the router's lists", async () => {
      const { leaderPid, services } = await status();
      return leaderPid !== null && services > 0;
    });
    // What follows a new list, such as writing it to disk, is over by then.
    await delay(1500);
    const { leaderPid } = await status();
    const [mine, empty] = [await childrenOf(router.pid), await childrenOf(timers.pid)];
    const used = await msPerSecond([...mine, ...empty]);
    const sum = (pids: readonly number[]): number => pids.reduce((total, pid) => total + used.get(pid)!, 0);
    const leader = sum(mine.filter((pid) => pid === leaderPid));
    return { total: sum(mine), leader, other: sum(mine) - leader, emptyTimers: sum(empty) };
  } finally {
    await timers.stop();
    await router.close();
  }
}

async function startEmptyTimers(directory: string) {
  const nginx = findNginx();
  const port = await freePort();
  const http = `init_worker_by_lua_block { ngx.timer.every(0.05, function() end) }
server { listen 127.0.0.1:${port}; location / { return 200; } }`;
  return startBenchProcess({
    name: "nginx with empty timers",
    command: nginx.path,
    configuration: nginxConfiguration(nginx.modules, http, WORKERS),
    args: (file) => ["-p", directory, "-c", file, "-g", "daemon off;"],
    directory,
    url: `http://127.0.0.1:${port}/`,
  });
}

async function msPerSecond(pids: readonly number[]): Promise<Map<number, number>> {
  const started = performance.now();
  const before = await Promise.all(pids.map(cpuMicroseconds));
  await delay(SECONDS * 1000);
  const after = await Promise.all(pids.map(cpuMicroseconds));
  const seconds = (performance.now() - started) / 1000;
  return new Map(pids.map((pid, index) => [pid, (after[index]! - before[index]!) / 1000 / seconds]));
}
