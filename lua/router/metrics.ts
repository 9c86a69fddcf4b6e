import { healthOf } from "../core/routing.ts";
import type { ServiceList } from "../core/types.ts";
import { VERSION } from "../core/version.ts";
import { workerPositions } from "./acknowledge.ts";
import { counted, knownWords } from "./counters.ts";
import { listAgeMs } from "./freshness.ts";
import { BUCKETS } from "./histogram.ts";
import { inFlightAt, livingWorkers } from "./in-flight.ts";
import { readList, serviceNames } from "./routes.ts";
import { situationOf } from "./situation.ts";

const TYPES = {
  build_info: "gauge",
  service_mode: "gauge",
  service_members: "gauge",
  service_members_healthy: "gauge",
  service_panic: "gauge",
  service_retries_total: "counter",
  service_retries_denied_total: "counter",
  service_subset_fallbacks_total: "counter",
  service_requests_refused_total: "counter",
  peer_weight: "gauge",
  peer_state: "gauge",
  peer_selections_total: "counter",
  peer_requests_in_flight: "gauge",
  peer_ejections_total: "counter",
  upstream_responses_total: "counter",
  upstream_response_duration_seconds: "histogram",
  list_age_seconds: "gauge",
  node_applied_revision: "gauge",
  snapshot_rejected_total: "counter",
} as const;

const SERVICES_PER_SLICE = 4;

/** Lines by metric: the exposition format wants all series of one metric together. */
type Page = LuaMap<keyof typeof TYPES, string[]>;

/** Writes the page in Prometheus's text format. Labels are names that were validated, so none needs escaping. */
export function writeMetrics(): void {
  const page: Page = new LuaMap();
  add(page, "build_info", `{version="${VERSION}"}`, 1);
  for (const worker of workerPositions()) {
    add(page, "node_applied_revision", `{worker="${worker.worker}"}`, worker.revision);
  }
  for (const reason of knownWords("reasons")) {
    add(page, "snapshot_rejected_total", `{reason="${reason}"}`, counted(`rejected ${reason}`));
  }
  const codes = knownWords("codes");
  const pids = livingWorkers();
  let done = 0;
  for (const service of serviceNames()) {
    const [list] = readList(service);
    if (list !== undefined) addService(page, service, list, codes, pids);
    // Requests come first: a large page must not hold up the worker.
    done++;
    if (done % SERVICES_PER_SLICE === 0) ngx.sleep(0);
  }
  ngx.header["Content-Type"] = "text/plain; version=0.0.4";
  for (const [metric, lines] of page) {
    ngx.print(`# TYPE routectl_${metric} ${TYPES[metric]}\n${table.concat(lines, "\n")}\n`);
  }
}

function add(page: Page, metric: keyof typeof TYPES, labels: string, value: number, suffix = ""): void {
  let lines = page.get(metric);
  if (lines === undefined) {
    lines = [];
    page.set(metric, lines);
  }
  lines[lines.length] = `routectl_${metric}${suffix}${labels} ${string.format("%.14g", value)}`;
}

function addService(
  page: Page,
  service: string,
  list: ServiceList,
  codes: readonly string[],
  pids: readonly number[],
): void {
  const situation = situationOf(service, list);
  const { weights, states, panic } = healthOf(list, situation);
  const label = `{service="${service}"`;
  for (const mode of ["normal", "manual", "fallback"]) {
    add(page, "service_mode", `${label},mode="${mode}"}`, situation.mode === mode ? 1 : 0);
  }
  add(page, "service_members", `${label}}`, list.instances.length);
  add(page, "list_age_seconds", `${label}}`, listAgeMs() / 1000);
  add(page, "service_panic", `${label}}`, panic ? 1 : 0);
  add(page, "service_retries_total", `${label}}`, counted(`event ${service} retries`));
  add(page, "service_retries_denied_total", `${label}}`, counted(`event ${service} retries-denied`));
  if (list.policy.rules !== undefined) {
    add(page, "service_subset_fallbacks_total", `${label}}`, counted(`event ${service} empty-subset`));
  }
  for (const reason of ["limited", "overloaded"]) {
    const refused = counted(`event ${service} ${reason}`);
    if (refused > 0) add(page, "service_requests_refused_total", `${label},reason="${reason}"}`, refused);
  }
  let healthy = 0;
  for (let i = 0; i < weights.length; i++) {
    const peer = list.instances[i]!;
    const weight = weights[i]!;
    const peerLabel = `${label},peer="${peer.id}"`;
    if (weight > 0) healthy++;
    add(page, "peer_weight", `${peerLabel}}`, weight);
    add(page, "peer_state", `${peerLabel},state="${states[i]!}"}`, 1);
    add(page, "peer_requests_in_flight", `${peerLabel}}`, inFlightAt(pids, service, peer.id));
    const ejections = counted(`ejections ${service} ${peer.id}`);
    if (ejections > 0) add(page, "peer_ejections_total", `${peerLabel}}`, ejections);
    add(page, "peer_selections_total", `${peerLabel}}`, counted(`selections ${service} ${peer.id}`));
    for (const code of codes) {
      const count = counted(`responses ${service} ${peer.id} ${code}`);
      if (count > 0) add(page, "upstream_responses_total", `${peerLabel},code="${code}"}`, count);
    }
  }
  add(page, "service_members_healthy", `${label}}`, healthy);
  addDurations(page, service, label);
}

function addDurations(page: Page, service: string, label: string): void {
  let count = 0;
  for (let bucket = 0; bucket <= BUCKETS.length; bucket++) {
    count += counted(`bucket ${service} ${bucket}`);
    const bound = bucket < BUCKETS.length ? string.format("%g", BUCKETS[bucket]!) : "+Inf";
    add(page, "upstream_response_duration_seconds", `${label},le="${bound}"}`, count, "_bucket");
  }
  add(page, "upstream_response_duration_seconds", `${label}}`, counted(`seconds ${service}`), "_sum");
  add(page, "upstream_response_duration_seconds", `${label}}`, count, "_count");
}
