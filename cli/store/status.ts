/**
 * What an exporter puts into etcd: one value a service and interval, with a sample of each of its instances. The values
 * that instances report are checked when they come in, and again when they are read from etcd: neither side trusts the other.
 */

/** The figures of one instance over one interval; what it does not report is absent. */
export interface Figures {
  /** 0..1 of what it may use. */
  readonly cpu?: number;
  /** 0..1 of what it may use. */
  readonly memory?: number;
  readonly requestsPerSecond?: number;
  readonly errorsPerSecond?: number;
  /** Mean response time in milliseconds. */
  readonly latencyMs?: number;
  /** Requests under way. */
  readonly inFlight?: number;
}

/**
 * `up`: it answers, with figures where it reports some; `silent`: its stream is open but says nothing; `down`: it can't be
 * reached, or says itself that it does not serve.
 */
export type SampleState = "up" | "silent" | "down";

export interface Sample extends Figures {
  readonly state: SampleState;
  /** Why it is not up. */
  readonly reason?: string;
}

export interface ServiceStatus {
  /** The exporter's clock, milliseconds since 1970. */
  readonly at: number;
  readonly intervalMs: number;
  readonly samples: ReadonlyMap<string, Sample>;
}

export const FIGURE_NAMES = ["cpu", "memory", "requestsPerSecond", "errorsPerSecond", "latencyMs", "inFlight"] as const;
export type FigureName = (typeof FIGURE_NAMES)[number];

/** No instance has more than this of anything; beyond it a figure is nonsense and is clamped. */
const MOST: Record<FigureName, number> = {
  cpu: 1,
  memory: 1,
  requestsPerSecond: 1e7,
  errorsPerSecond: 1e7,
  latencyMs: 600_000,
  inFlight: 1e7,
};

/** A CPU above 1 may be a few percent of measuring error; above this it is nonsense that is worth a warning. */
const TOLERANCE = 1.05;

/**
 * Takes what is usable: a figure that is no finite number, or is negative, is left out; one that is too large is clamped.
 * @param onProblem called with each figure that was not taken as it is
 */
export function sanitizeFigures(
  raw: { readonly [Name in FigureName]?: unknown },
  onProblem: (figure: FigureName, value: unknown) => void,
): Figures {
  const figures: { [Name in FigureName]?: number } = {};
  for (const name of FIGURE_NAMES) {
    const value = raw[name];
    if (value === undefined || value === null) continue;
    if (typeof value !== "number" || !Number.isFinite(value) || value < 0) {
      onProblem(name, value);
      continue;
    }
    if (value > MOST[name] * TOLERANCE) onProblem(name, value);
    figures[name] = Math.min(value, MOST[name]);
  }
  return figures;
}

export function encodeStatus(status: ServiceStatus): string {
  return JSON.stringify({
    at: status.at,
    intervalMs: status.intervalMs,
    samples: Object.fromEntries(status.samples),
  });
}

/**
 * @param onProblem called with the instance and figure that was not taken as it is
 * @returns undefined when the value is not a status at all
 */
export function decodeStatus(
  text: string,
  onProblem: (id: string, figure: FigureName, value: unknown) => void,
): ServiceStatus | undefined {
  let value: { at?: unknown; intervalMs?: unknown; samples?: unknown };
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    return undefined;
  }
  const { at, intervalMs, samples: raw } = value ?? {};
  if (typeof at !== "number" || typeof intervalMs !== "number" || !(intervalMs >= 50)) return undefined;
  if (typeof raw !== "object" || raw === null) return undefined;
  const samples = new Map<string, Sample>();
  for (const [id, sample] of Object.entries(raw as Record<string, Partial<Sample>>)) {
    const state = sample?.state;
    if (state !== "up" && state !== "silent" && state !== "down") continue;
    const figures = sanitizeFigures(sample, (figure, bad) => onProblem(id, figure, bad));
    const reason = typeof sample.reason === "string" ? { reason: sample.reason.slice(0, 200) } : {};
    samples.set(id, { state, ...reason, ...figures });
  }
  return { at, intervalMs, samples };
}
