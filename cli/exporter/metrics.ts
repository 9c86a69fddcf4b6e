import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { VERSION } from "../../lua/core/version.ts";
import { FIGURE_NAMES, type FigureName, type Sample } from "../store/status.ts";
import type { ProbeTarget } from "./probe.ts";

/** Names in Prometheus's base units. */
const METRICS: Record<FigureName, { name: string; help: string; factor: number }> = {
  cpu: { name: "routectl_sample_cpu_ratio", help: "CPU in use, of what the instance may use.", factor: 1 },
  memory: { name: "routectl_sample_memory_ratio", help: "Memory in use, of what the instance may use.", factor: 1 },
  requestsPerSecond: { name: "routectl_sample_requests_per_second", help: "Requests.", factor: 1 },
  errorsPerSecond: { name: "routectl_sample_errors_per_second", help: "Requests that failed.", factor: 1 },
  latencyMs: { name: "routectl_sample_latency_seconds", help: "Mean response time.", factor: 0.001 },
  inFlight: { name: "routectl_sample_requests_in_flight", help: "Requests under way.", factor: 1 },
};

export type ExporterMetrics = ReturnType<typeof createExporterMetrics>;

/** Every sample, for Prometheus; read from the probes when somebody asks, so that instances that are gone disappear. */
export function createExporterMetrics(samples: () => { target: ProbeTarget; sample: Sample }[]) {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({ name: "routectl_build_info", help: "The version.", labelNames: ["version"], registers }).set(
    { version: VERSION },
    1,
  );
  for (const figure of FIGURE_NAMES) {
    const { name, help, factor } = METRICS[figure];
    new Gauge({
      name,
      help,
      labelNames: ["service", "peer"],
      registers,
      collect() {
        this.reset();
        for (const { target, sample } of samples()) {
          const value = sample[figure];
          if (value !== undefined) this.set({ service: target.service, peer: target.id }, value * factor);
        }
      },
    });
  }
  new Gauge({
    name: "routectl_sample_up",
    help: "1 for an instance that answers, 0 for one that is silent or down.",
    labelNames: ["service", "peer"],
    registers,
    collect() {
      this.reset();
      for (const { target, sample } of samples()) {
        this.set({ service: target.service, peer: target.id }, sample.state === "up" ? 1 : 0);
      }
    },
  });
  return {
    registry,
    badFigures: new Counter({
      name: "routectl_bad_figures_total",
      help: "Reported figures that were left out or clamped.",
      labelNames: ["figure"],
      registers,
    }),
    floods: new Counter({
      name: "routectl_report_floods_total",
      help: "Intervals in which an instance sent far too many reports.",
      registers,
    }),
    writeSeconds: new Histogram({
      name: "routectl_status_write_duration_seconds",
      help: "How long it takes to put one interval's status into etcd.",
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers,
    }),
  };
}
