/**
 * `routectl/status`: lets a Node service report its condition over gRPC, by the field's own standards: ORCA load reports
 * (`xds.service.orca.v3.OpenRcaService`) and `grpc.health.v1.Health`. It measures CPU, memory, requests, errors, requests
 * under way and mean latency by itself.
 *
 *     import { createServer } from "node:http";
 *     import { serveStatus } from "routectl/status";
 *     const server = createServer(handler).listen(8080);
 *     const status = await serveStatus({ server, host: "0.0.0.0", port: 9200 });
 *
 * and register the instance with the metadata `statusPort=9200`.
 */
import type { Server as HttpServer } from "node:http";
import { Server, ServerCredentials, type ServerWritableStream } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { createMeter, type Reading, startObserving } from "./meter.ts";
import { loadOrcaService, type OrcaReport, type OrcaRequest } from "./orca.ts";

export interface StatusOptions {
  /** The HTTP server whose requests are counted; none: only CPU and memory are reported. */
  readonly server?: HttpServer;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: a free one. */
  readonly port?: number;
}

export interface StatusServer {
  readonly port: number;
  /** Says whether the service takes requests; an instance that does not is `down` to the exporter. */
  setServing(serving: boolean): void;
  stop(): void;
}

const LEAST_INTERVAL_MS = 100;
const MOST_INTERVAL_MS = 60_000;
const DEFAULT_INTERVAL_MS = 1000;

/** Serves the status of this process. @throws Error when the port can't be listened on */
export async function serveStatus(options: StatusOptions = {}): Promise<StatusServer> {
  const meter = createMeter();
  const stopObserving = options.server === undefined ? undefined : startObserving(meter, options.server);
  const health = new HealthImplementation({ "": "SERVING" });
  const server = new Server();
  health.addToServer(server);
  server.addService(loadOrcaService().service, {
    StreamCoreMetrics: (call: ServerWritableStream<OrcaRequest, OrcaReport>) => {
      const { seconds = 0, nanos = 0 } = call.request.report_interval ?? {};
      const asked = Number(seconds) * 1000 + nanos / 1e6;
      let before = meter.read();
      const timer = setInterval(
        () => {
          const now = meter.read();
          // A client that does not read gets the next report that it has room for.
          if (call.writableNeedDrain) return;
          call.write(reportOf(before, now));
          before = now;
        },
        Math.min(MOST_INTERVAL_MS, Math.max(LEAST_INTERVAL_MS, asked || DEFAULT_INTERVAL_MS)),
      );
      call.on("cancelled", () => clearInterval(timer));
      call.on("error", () => clearInterval(timer));
      call.on("close", () => clearInterval(timer));
    },
  });
  const host = options.host ?? "127.0.0.1";
  const address = `${host.includes(":") ? `[${host}]` : host}:${options.port ?? 0}`;
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    port,
    setServing: (serving) => health.setStatus("", serving ? "SERVING" : "NOT_SERVING"),
    stop: () => {
      stopObserving?.();
      server.forceShutdown();
    },
  };
}

/** What happened between two readings. */
function reportOf(before: Reading, now: Reading): OrcaReport {
  const seconds = Math.max(0.001, now.atSeconds - before.atSeconds);
  const requests = now.requests - before.requests;
  const named: Record<string, number> = { inflight: now.inFlight };
  if (requests > 0) named.latency_ms = (now.durationMs - before.durationMs) / requests;
  return {
    // JavaScript runs on one thread: one core is all that it can use.
    cpu_utilization: Math.min(1, (now.cpuSeconds - before.cpuSeconds) / seconds),
    mem_utilization: Math.min(1, now.memory),
    // A thread that waits for a core is busy as well, though it uses no CPU.
    application_utilization: Math.min(1, (now.busySeconds - before.busySeconds) / seconds),
    rps_fractional: requests / seconds,
    eps: (now.errors - before.errors) / seconds,
    named_metrics: named,
  };
}
