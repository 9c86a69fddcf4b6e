import { once } from "node:events";
import { Worker } from "node:worker_threads";

export interface LoadSettings {
  readonly url: string;
  /** Asked for in turns. */
  readonly paths: readonly string[];
  readonly perSecond: number;
  readonly connections: number;
}

/** What became of the requests of a while. */
export interface LoadFigures {
  readonly requests: number;
  /** Not answered with 200. */
  readonly failed: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
}

/** Requests at a fixed rate in the background, in a thread of their own, so that what else the bench does delays none. */
export interface SteadyLoad {
  /** The figures since the last time. */
  take(): Promise<LoadFigures>;
  stop(): Promise<void>;
}

export function startSteadyLoad(settings: LoadSettings): SteadyLoad {
  const thread = new Worker(new URL("./steady-load-thread.js", import.meta.url), { workerData: settings });
  const ask = async (message: "take" | "stop"): Promise<LoadFigures> => {
    const answer = once(thread, "message");
    thread.postMessage(message);
    return ((await answer) as [LoadFigures])[0];
  };
  return {
    take: () => ask("take"),
    stop: async () => {
      await ask("stop");
      await thread.terminate();
    },
  };
}
