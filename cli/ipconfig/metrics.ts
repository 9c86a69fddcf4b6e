import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { VERSION } from "../../lua/core/version.ts";
import type { Publisher } from "./publisher.ts";

/** ipconfig's own metrics. Those about services are read from the lists when somebody asks. */
export function createMetrics(publisher: Publisher, routingRevision: () => number) {
  const registers = [new Registry()];
  const [registry] = registers;
  new Gauge({ name: "routectl_build_info", help: "The version.", labelNames: ["version"], registers }).set(
    { version: VERSION },
    1,
  );
  new Gauge({
    name: "routectl_service_mode",
    help: "1 for the mode that a service is in.",
    labelNames: ["service", "mode"],
    registers,
    collect() {
      this.reset();
      for (const [service, { list }] of publisher.lists) {
        for (const mode of ["normal", "manual"]) this.set({ service, mode }, list.mode === mode ? 1 : 0);
      }
    },
  });
  new Gauge({
    name: "routectl_service_members",
    help: "Instances on a service's list.",
    labelNames: ["service"],
    registers,
    collect() {
      this.reset();
      for (const [service, { list }] of publisher.lists) this.set({ service }, list.instances.length);
    },
  });
  new Gauge({
    name: "routectl_override_expiry_timestamp_seconds",
    help: "When a manual weight ends; absent where it has no end.",
    labelNames: ["service", "peer"],
    registers,
    collect() {
      this.reset();
      for (const [service, { list }] of publisher.lists) {
        for (const { id, override } of list.instances) {
          if (override?.expiresAt !== undefined) this.set({ service, peer: id }, override.expiresAt / 1000);
        }
      }
    },
  });
  new Gauge({
    name: "routectl_routing_revision",
    help: "The newest change in etcd that routers must have applied, scores apart.",
    registers,
    collect() {
      this.set(routingRevision());
    },
  });
  return {
    registry: registry!,
    etcdReachable: new Gauge({ name: "routectl_etcd_reachable", help: "1 while etcd answers.", registers }),
    watchRestarts: new Counter({ name: "routectl_watch_restarts_total", help: "Watches that were lost.", registers }),
    missedChanges: new Counter({
      name: "routectl_missed_changes_total",
      help: "Services in which a list found what the watch had not told.",
      registers,
    }),
    invalidValues: new Counter({
      name: "routectl_invalid_values_total",
      help: "Values in etcd that were ignored because they are not valid.",
      registers,
    }),
    badSamples: new Counter({
      name: "routectl_bad_samples_total",
      help: "Reported figures that were left out or clamped, and reports of unknown instances.",
      registers,
    }),
    propagation: new Histogram({
      name: "routectl_propagation_duration_seconds",
      help: "From a change's arrival here to a router's report that all of its workers apply it.",
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
  };
}
