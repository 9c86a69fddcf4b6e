import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { protoPath as healthProtoPath } from "grpc-health-check";

/** `xds.data.orca.v3.OrcaLoadReport`, as far as it is used here. */
export interface OrcaReport {
  readonly cpu_utilization: number;
  readonly mem_utilization: number;
  readonly application_utilization: number;
  readonly rps_fractional: number;
  readonly eps: number;
  readonly named_metrics: Readonly<Record<string, number>>;
}

/** `xds.service.orca.v3.OrcaLoadReportRequest` */
export interface OrcaRequest {
  readonly report_interval?: { readonly seconds?: number | string; readonly nanos?: number } | null;
}

const OPTIONS = { keepCase: true, longs: Number, enums: String, defaults: true };

/** ORCA's out-of-band service, from the .proto files that grpc-js brings along. */
export function loadOrcaService(): ServiceClientConstructor {
  const grpc = dirname(createRequire(import.meta.url).resolve("@grpc/grpc-js/package.json"));
  const includeDirs = [join(grpc, "proto/xds"), join(grpc, "proto/protoc-gen-validate")];
  return serviceIn(loadSync("xds/service/orca/v3/orca.proto", { ...OPTIONS, includeDirs }), [
    ...["xds", "service", "orca", "v3", "OpenRcaService"],
  ]);
}

/** `grpc.health.v1.Health` */
export function loadHealthService(): ServiceClientConstructor {
  return serviceIn(loadSync(healthProtoPath, OPTIONS), ["grpc", "health", "v1", "Health"]);
}

function serviceIn(definition: Parameters<typeof loadPackageDefinition>[0], path: readonly string[]) {
  let place: GrpcObject | GrpcObject[string] = loadPackageDefinition(definition);
  for (const name of path) place = (place as GrpcObject)[name]!;
  return place as ServiceClientConstructor;
}
