import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { totalmem } from "node:os";

/** Counters that only grow, and what is now. */
export interface Reading {
  readonly atSeconds: number;
  readonly cpuSeconds: number;
  /** Time in which the event loop was not idle. */
  readonly busySeconds: number;
  /** The part of the memory that the process may use, 0..1. */
  readonly memory: number;
  readonly requests: number;
  readonly errors: number;
  /** The sum of all response times. */
  readonly durationMs: number;
  readonly inFlight: number;
}

export interface Meter {
  begin(): void;
  /** @param failed whether the answer was a server's error */
  end(durationMs: number, failed: boolean): void;
  read(): Reading;
}

export function createMeter(): Meter {
  let requests = 0;
  let errors = 0;
  let durationMs = 0;
  let inFlight = 0;
  // In a container the limit is the container's, not the machine's.
  const limit = process.constrainedMemory?.() ?? 0;
  const memoryBytes = limit > 0 && limit < totalmem() ? limit : totalmem();
  return {
    begin: () => {
      inFlight++;
    },
    end: (took, failed) => {
      inFlight--;
      requests++;
      durationMs += took;
      if (failed) errors++;
    },
    read: () => {
      const { user, system } = process.cpuUsage();
      return {
        atSeconds: performance.now() / 1000,
        cpuSeconds: (user + system) / 1e6,
        busySeconds: performance.eventLoopUtilization().active / 1000,
        memory: process.memoryUsage.rss() / memoryBytes,
        requests,
        errors,
        durationMs,
        inFlight,
      };
    },
  };
}

/** Counts the requests of an HTTP server. @returns how to stop */
export function startObserving(meter: Meter, server: Server): () => void {
  const onRequest = (_request: IncomingMessage, response: ServerResponse): void => {
    const started = performance.now();
    meter.begin();
    response.once("close", () => meter.end(performance.now() - started, response.statusCode >= 500));
  };
  server.on("request", onRequest);
  return () => server.off("request", onRequest);
}
