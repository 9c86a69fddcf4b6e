import { counters, state } from "./dicts.ts";
import type { PeerLoad } from "./loads.ts";

/**
 * How many requests each worker has in flight at each peer, in shared memory: `in-flight PID SERVICE PEER`. Workers that
 * nginx has replaced finish their streams, perhaps for hours, and count until they are gone.
 */

/** How many workers there were; `worker:NUMBER` is the process id of one that may still be there. */
const WORKERS = "workers";

/** Makes the worker known to those who add up. */
export function joinInFlight(): void {
  const [number] = state.incr(WORKERS, 1, 0);
  state.set(`worker:${number}`, ngx.worker.pid());
}

/** Tells the others how many requests this worker has in flight at a peer. */
export function toldInFlight(service: string, load: PeerLoad): void {
  const key = keyOf(ngx.worker.pid(), service, load.id);
  if (load.inFlight === 0) counters.delete(key);
  else counters.set(key, load.inFlight);
  load.inFlightTold = load.inFlight;
}

/** The process ids of the workers that are there, those on their way out included. */
export function livingWorkers(): number[] {
  const pids: number[] = [];
  const count = (state.get(WORKERS) as number | undefined) ?? 0;
  for (let number = 1; number <= count; number++) {
    const pid = state.get(`worker:${number}`) as number | undefined;
    if (pid !== undefined) {
      if (isAlive(pid)) pids.push(pid);
      else state.delete(`worker:${number}`);
    }
  }
  return pids;
}

/** Requests in flight at a peer, in all of these workers, as of a second ago. */
export function inFlightAt(pids: readonly number[], service: string, id: string): number {
  let sum = 0;
  for (const pid of pids) sum += (counters.get(keyOf(pid, service, id)) as number | undefined) ?? 0;
  return sum;
}

function keyOf(pid: number, service: string, id: string): string {
  return `in-flight ${pid} ${service} ${id}`;
}

function isAlive(pid: number): boolean {
  const [file] = io.open(`/proc/${pid}/stat`, "r");
  if (file === undefined) return false;
  file.close();
  return true;
}
