import type { Client } from "undici";

/** The longest time in which a worker's event loop did not come to its timers. */
export interface Stall {
  /** By the clock, in milliseconds: with what the machine gave to others meanwhile. */
  readonly wallMs: number;
  /** CPU that the worker has used between two timers. */
  readonly cpuMs: number;
}

/**
 * For a server block of nginx. A light thread sleeps two milliseconds again and again, and notes the longest while between
 * two wake-ups; a thread that never ended would not give its memory back, so it is begun anew every second or so.
 */
export const STALL_LOCATIONS = `location = /-stalls/start { content_by_lua_block {
    local stall = { wall = 0, cpu = 0, over = false }
    package.loaded["bench.stall"] = stall
    local function watch()
        ngx.update_time()
        local wall, cpu = ngx.now(), os.clock()
        for _ = 1, 500 do
            if stall.over or ngx.worker.exiting() then return end
            ngx.sleep(0.002)
            ngx.update_time()
            local wall_now, cpu_now = ngx.now(), os.clock()
            stall.wall = math.max(stall.wall, wall_now - wall)
            stall.cpu = math.max(stall.cpu, cpu_now - cpu)
            wall, cpu = wall_now, cpu_now
        end
        ngx.timer.at(0, watch)
    end
    ngx.timer.at(0, watch)
    ngx.say("ok")
} }
location = /-stalls/stop { content_by_lua_block {
    local stall = package.loaded["bench.stall"]
    stall.over = true
    ngx.say(stall.wall * 1000, " ", stall.cpu * 1000)
} }
location = /-collect { content_by_lua_block { collectgarbage() collectgarbage() ngx.say(collectgarbage("count") / 1024) } }`;

/** Begins to watch the workers' event loops. @param workers a connection to each. @returns what ends it */
export async function watchStalls(workers: readonly Client[]): Promise<() => Promise<Stall>> {
  await Promise.all(workers.map((worker) => ask(worker, "/-stalls/start")));
  return async () => {
    const texts = await Promise.all(workers.map((worker) => ask(worker, "/-stalls/stop")));
    const figures = texts.map((text) => text.trim().split(" ").map(Number));
    return {
      wallMs: Math.max(...figures.map(([wall]) => wall!)),
      cpuMs: Math.max(...figures.map(([, cpu]) => cpu!)),
    };
  };
}

/** Has each worker collect its garbage. @returns the most megabytes that are left in a worker's Lua */
export async function collectGarbage(workers: readonly Client[]): Promise<number> {
  const texts = await Promise.all(workers.map((worker) => ask(worker, "/-collect")));
  return Math.max(...texts.map(Number));
}

async function ask(worker: Client, path: string): Promise<string> {
  const { statusCode, body } = await worker.request({ path, method: "GET" });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`${path} was answered with ${statusCode}: ${text}`);
  return text;
}
