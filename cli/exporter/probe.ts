import { type ClientReadableStream, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { loadHealthService, loadOrcaService, type OrcaReport } from "../status/orca.ts";
import { type FigureName, type Figures, type Sample, sanitizeFigures } from "../store/status.ts";

/** One instance that is asked for its status. */
export interface Probe {
  /** What is known of the instance now; undefined while nothing is, and where it speaks neither of the two services. */
  sample(): Sample | undefined;
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
/** An answer that takes longer than this is none: a frozen process keeps its connections, and even accepts new ones. */
const DEADLINE_MS = 1000;
/** A service that an instance did not have may come with its next version. */
const UNIMPLEMENTED_RETRY_MS = 10_000;

/** Without a report for this many times its usual distance from the one before, an instance is silent. */
const SILENT_AFTER = 2.5;
/** grpc-go's servers report once at the beginning, and then every 30 s at most, whatever they are asked for. */
const LONGEST_USUAL_MS = 30_000;
/** More reports than this in an interval are not read. */
const MOST_REPORTS = 20;

const orca = loadOrcaService();
const health = loadHealthService();

type HealthAnswer = { status: string } | undefined;

/**
 * Keeps a stream of load reports to an instance, and asks after its health once an interval; an answer of any kind shows
 * that it lives. What it does not implement is not held against it: a service that speaks one of the two is taken by that.
 * Keepalive pings are not used: servers may take frequent ones for an attack (grpc-go allows one in five minutes).
 */
export function startProbe(target: ProbeTarget, intervalMs: number, handler: ProbeHandler): Probe {
  const address = `${target.address.includes(":") ? `[${target.address}]` : target.address}:${target.port}`;
  const client = new orca(address, credentials.createInsecure(), {
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.use_local_subchannel_pool": 1,
  });
  const healthClient = new health(address, credentials.createInsecure(), { channelOverride: client.getChannel() });
  const startedAt = performance.now();
  const timers = new Set<NodeJS.Timeout>();
  let stopped = false;
  let stream: ClientReadableStream<OrcaReport> | undefined;
  let failures = 0;
  let downReason: string | undefined;
  let alive = false;
  let serving = true;
  let hasHealth: boolean | undefined;
  let hasOrca: boolean | undefined;
  let figures: Figures | undefined;
  let reportedAt: number | undefined;
  let usualMs = LONGEST_USUAL_MS;
  let reportsInInterval = 0;
  let shown: Sample["state"] | undefined;

  const later = (delayMs: number, work: () => void): void => {
    if (stopped) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, delayMs);
    timers.add(timer);
  };
  const jittered = (delayMs: number): number => delayMs * (0.5 + Math.random() / 2);

  const silentSample = (silentMs: number): Sample => ({
    state: "silent",
    reason: `no report for ${Math.round(silentMs / 1000)} s`,
  });

  const sample = (): Sample | undefined => {
    const now = performance.now();
    if (downReason !== undefined) return { state: "down", reason: downReason };
    if (!alive) return undefined;
    if (!serving) return { state: "down", reason: "it says that it does not serve" };
    if (hasOrca === false) return hasHealth === true ? { state: "up" } : undefined;
    if (reportedAt === undefined) {
      const silentMs = now - startedAt;
      return silentMs > intervalMs * SILENT_AFTER ? silentSample(silentMs) : undefined;
    }
    const silentMs = now - reportedAt;
    return silentMs > usualMs * SILENT_AFTER ? silentSample(silentMs) : { state: "up", ...figures };
  };

  const show = (): void => {
    const now = sample();
    if (now !== undefined && now.state !== shown) handler.onState(now.state, now.reason);
    shown = now?.state ?? shown;
  };

  const onReport = (report: OrcaReport): void => {
    hasOrca = true;
    reportsInInterval++;
    if (reportsInInterval > MOST_REPORTS) {
      if (reportsInInterval === MOST_REPORTS + 1) {
        handler.onFlood();
        // gRPC's flow control holds the sender back until the next interval.
        stream?.pause();
      }
      return;
    }
    const now = performance.now();
    if (reportedAt !== undefined) usualMs = Math.min(LONGEST_USUAL_MS, Math.max(intervalMs, now - reportedAt));
    reportedAt = now;
    figures = sanitizeFigures(figuresOf(report), handler.onBadFigure);
  };

  const openReports = (): void => {
    if (stopped) return;
    // Twice an interval, so that what is put into etcd is half an interval old at most.
    const reportMs = Math.round(intervalMs / 2);
    const seconds = Math.floor(reportMs / 1000);
    const request = { report_interval: { seconds, nanos: (reportMs - seconds * 1000) * 1e6 } };
    const opened = client.StreamCoreMetrics!(request) as ClientReadableStream<OrcaReport>;
    stream = opened;
    const ended = (retryMs: number): void => {
      if (stream !== opened) return;
      stream = undefined;
      later(retryMs, openReports);
    };
    opened.on("data", onReport);
    opened.on("error", (error: ServiceError) => {
      if (error.code === status.UNIMPLEMENTED) hasOrca = false;
      ended(error.code === status.UNIMPLEMENTED ? UNIMPLEMENTED_RETRY_MS : jittered(RETRY_MS * 2));
    });
    opened.on("end", () => ended(jittered(RETRY_MS * 2)));
  };

  const checkHealth = (): void => {
    if (stopped) return;
    const options = { deadline: Date.now() + DEADLINE_MS };
    healthClient.Check!({ service: "" }, options, (error: ServiceError | null, answer: HealthAnswer) => {
      if (stopped) return;
      const lives = error === null || error.code === status.UNIMPLEMENTED || error.code === status.NOT_FOUND;
      if (lives) {
        // It may have come back as another version of itself.
        hasHealth = error === null;
        serving = error !== null || answer?.status !== "NOT_SERVING";
        alive = true;
        failures = 0;
        downReason = undefined;
        later(jittered(intervalMs), checkHealth);
      } else {
        failures++;
        if (failures >= TRIES) downReason = reasonOf(error);
        later(jittered(failures >= TRIES ? intervalMs : RETRY_MS * failures), checkHealth);
      }
      show();
    });
  };

  const interval = setInterval(() => {
    if (reportsInInterval > MOST_REPORTS) stream?.resume();
    reportsInInterval = 0;
    show();
  }, intervalMs);
  openReports();
  checkHealth();

  return {
    sample,
    stop: () => {
      stopped = true;
      for (const timer of timers) clearTimeout(timer);
      clearInterval(interval);
      stream?.cancel();
      healthClient.close();
      client.close();
    },
  };
}

/** gRPC tells the same thing several times over; the last error in it is the one that says something. */
function reasonOf(error: ServiceError): string {
  if (error.code === status.DEADLINE_EXCEEDED) return `it does not answer within ${DEADLINE_MS / 1000} s`;
  const [line = ""] = (error.details || error.message).split("\n");
  return (/Last error: (?:Error: )?(.*?)\.? ?Resolution note/.exec(line)?.[1] ?? line).slice(0, 160);
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
