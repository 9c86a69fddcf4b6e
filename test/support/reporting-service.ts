import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { HealthImplementation } from "grpc-health-check";

/** A gRPC service that is not ours: what it uses is grpc-js's own recorder and grpc-health-check. */
export interface ReportingService {
  readonly port: number;
  readonly recorder: grpc.ServerMetricRecorder;
  readonly health: HealthImplementation;
  stop(): void;
}

export async function startReportingService(port = 0): Promise<ReportingService> {
  const server = new grpc.Server();
  const recorder = new grpc.ServerMetricRecorder();
  recorder.addToServer(server);
  const health = new HealthImplementation({ "": "SERVING" });
  health.addToServer(server);
  return { port: await bind(server, port), recorder, health, stop: () => server.forceShutdown() };
}

/** A service whose reports the test writes by hand, as wrong as it likes. */
export async function startScriptedReports(
  onStream: (write: (report: object) => void) => (() => void) | undefined,
): Promise<{ port: number; stop(): void }> {
  const root = dirname(createRequire(import.meta.url).resolve("@grpc/grpc-js/package.json"));
  const definition = loadSync("xds/service/orca/v3/orca.proto", {
    keepCase: true,
    includeDirs: [join(root, "proto/xds"), join(root, "proto/protoc-gen-validate")],
  });
  const server = new grpc.Server();
  // biome-ignore lint/suspicious/noExplicitAny: proto-loader gives no types
  const { OpenRcaService } = (grpc.loadPackageDefinition(definition) as any).xds.service.orca.v3;
  server.addService(OpenRcaService.service, {
    StreamCoreMetrics: (call: grpc.ServerWritableStream<object, object>) => {
      const end = onStream((report) => {
        if (!call.cancelled) call.write(report);
      });
      call.on("cancelled", () => end?.());
    },
  });
  const port = await bind(server, 0);
  return { port, stop: () => server.forceShutdown() };
}

function bind(server: grpc.Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
}
