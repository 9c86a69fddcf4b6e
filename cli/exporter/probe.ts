import { type ClientReadableStream, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { loadHealthService, loadOrcaService, type OrcaReport } from "../status/orca.ts";
import { type FigureName, type Figures, type Sample, sanitizeFigures } from "../store/status.ts";

/** One instance that is asked for its status. */
export interface Probe {
  /** What is known of the instance now. */
  sample(): Sample;
  stop(): void;
}

export interface ProbeTarget {
  readonly service: string;
  readonly id: string;
  readonly address: string;
  readonly port: number;
}

export interface ProbeHandler {
  /** A figure was not taken as it is; called with every one of them. */
  onBadFigure(figure: FigureName, value: unknown): void;
  /** The instance sends more reports than it was asked for. */
  onFlood(): void;
  onState(state: Sample["state"], reason: string | undefined): void;
}

/** After this many failures in a row an instance is down. */
const TRIES = 3;
const RETRY_MS = 250;
/** One that is down is tried again this often. */
const DOWN_RETRY_MS = 1000;
/** Without a report for this many intervals an instance is silent. */
const SILENT_AFTER_INTERVALS = 2.5;
/** More reports than this in an interval are not read. */
const MOST_REPORTS = 20;

const LOAD_REPORTS = "StreamCoreMetrics";

const orca = loadOrcaService();
const health = loadHealthService();

/**
 * Keeps a stream of load reports and one of health to an instance. What it does not implement is not held against it: a
 * service that speaks only one of the two is taken by that one.
 */
export function startProbe(target: ProbeTarget, intervalMs: number, handler: ProbeHandler): Probe {
  const address = `${target.address.includes(":") ? `[${target.address}]` : target.address}:${target.port}`;
  const options = {
    // A peer that is frozen keeps its connection: only an answer to a ping tells that it lives.
    "grpc.keepalive_time_ms": 2000,
    "grpc.keepalive_timeout_ms": 1000,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.use_local_subchannel_pool": 1,
  };
  const client = new orca(address, credentials.createInsecure(), options);
  const healthClient = new health(address, credentials.createInsecure(), options);
  let stopped = false;
  let failures = 0;
  let figures: Figures | undefined;
  let reportedAt = performance.now();
  let reports = 0;
  let hasOrca = true;
  let serving = true;
  let downReason: string | undefined;
  let shown: Sample["state"] | undefined;
  const timers = new Set<NodeJS.Timeout>();
  const streams = new Set<ClientReadableStream<unknown>>();

  const show = (): void => {
    const { state, reason } = probe.sample();
    if (state !== shown) handler.onState(state, reason);
    shown = state;
  };

  const open = (
    client: InstanceType<typeof orca>,
    method: string,
    request: object,
    onData: (message: never) => void,
  ): void => {
    if (stopped) return;
    const call = client[method]!(request) as ClientReadableStream<unknown>;
    streams.add(call);
    call.on("data", (message) => onData(message as never));
    call.on("error", (error: ServiceError) => {
      streams.delete(call);
      if (stopped) return;
      if (error.code === status.UNIMPLEMENTED) {
        if (method === LOAD_REPORTS) hasOrca = false;
        return;
      }
      failed(method, error.details || error.message);
      later(() => open(client, method, request, onData));
    });
    call.on("end", () => {
      if (!streams.delete(call) || stopped) return;
      failed(method, "it ended the stream");
      later(() => open(client, method, request, onData));
    });
  };

  const failed = (method: string, reason: string): void => {
    // Both streams break together: they count once.
    if (method === LOAD_REPORTS || !hasOrca) failures++;
    if (failures >= TRIES) downReason = reason.split("\n")[0]!.slice(0, 160);
    show();
  };

  const later = (work: () => void): void => {
    const delayMs = failures >= TRIES ? DOWN_RETRY_MS : RETRY_MS * Math.max(1, failures);
    const timer = setTimeout(
      () => {
        timers.delete(timer);
        work();
      },
      delayMs * (0.5 + Math.random() / 2),
    );
    timers.add(timer);
  };

  const answered = (): void => {
    failures = 0;
    downReason = undefined;
  };

  const probe: Probe = {
    sample: () => {
      if (downReason !== undefined) return { state: "down", reason: downReason };
      if (!serving) return { state: "down", reason: "it says that it does not serve" };
      if (!hasOrca) return { state: "up" };
      const silentMs = performance.now() - reportedAt;
      if (silentMs > intervalMs * SILENT_AFTER_INTERVALS) {
        return { state: "silent", reason: `no report for ${Math.round(silentMs / 1000)} s` };
      }
      return { state: "up", ...figures };
    },
    stop: () => {
      stopped = true;
      for (const timer of timers) clearTimeout(timer);
      clearInterval(interval);
      for (const stream of streams) stream.cancel();
      client.close();
      healthClient.close();
    },
  };

  const interval = setInterval(() => {
    if (reports > MOST_REPORTS) for (const stream of streams) stream.resume();
    reports = 0;
    show();
  }, intervalMs);

  // Twice an interval, so that what is put into etcd is half an interval old at most.
  const reportMs = Math.round(intervalMs / 2);
  const seconds = Math.floor(reportMs / 1000);
  const request = { report_interval: { seconds, nanos: (reportMs - seconds * 1000) * 1e6 } };
  open(client, LOAD_REPORTS, request, (report: OrcaReport) => {
    answered();
    reports++;
    if (reports > MOST_REPORTS) {
      if (reports === MOST_REPORTS + 1) {
        handler.onFlood();
        // gRPC's flow control holds the sender back until the next interval.
        for (const stream of streams) stream.pause();
      }
      return;
    }
    reportedAt = performance.now();
    figures = sanitizeFigures(figuresOf(report), handler.onBadFigure);
    show();
  });
  open(healthClient, "Watch", { service: "" }, ({ status: said }: { status: string }) => {
    answered();
    serving = said !== "NOT_SERVING";
    show();
  });
  return probe;
}

/** ORCA's fields as ours. A zero of what may be unset says nothing, apart from requests and errors. */
function figuresOf(report: OrcaReport): { [Name in FigureName]?: unknown } {
  const named = report.named_metrics ?? {};
  // What the application says of itself comes before what the machine says of it (gRFC A58, weighted_round_robin).
  const cpu = report.application_utilization === 0 ? report.cpu_utilization : report.application_utilization;
  return {
    cpu: cpu === 0 ? undefined : cpu,
    memory: report.mem_utilization === 0 ? undefined : report.mem_utilization,
    requestsPerSecond: report.rps_fractional,
    errorsPerSecond: report.eps,
    latencyMs: named.latency_ms,
    inFlight: named.inflight,
  };
}
