import { Matrix, solve } from "ml-matrix";
import type { ScoreCoefficients } from "../../../lua/core/types.ts";
import type { Sample } from "../../store/status.ts";
import { DEFAULT_COEFFICIENTS, LEAST_IN_FLIGHT, medianOf, WORST_RATIO } from "./model.ts";

/** One instance over one interval, as `score record` keeps it. */
export interface RecordedSample extends Sample {
  readonly at: number;
  readonly service: string;
  readonly id: string;
}

/** The features that may explain latency; latency itself is what is explained. */
export const EXPLAINING = ["cpu", "memory", "errors", "inFlight"] as const;
export type Explaining = (typeof EXPLAINING)[number];

export interface Fit {
  readonly samples: number;
  /** The part of latency's variance that the features explain. */
  readonly rSquared: number;
  readonly interceptMs: number;
  readonly terms: readonly {
    readonly feature: Explaining;
    /** Milliseconds for each unit of the feature. */
    readonly millisecondsPerUnit: number;
    /** In standard deviations of latency for one of the feature: how much it matters in this record. */
    readonly standardised: number;
  }[];
  /** As a policy takes them. */
  readonly coefficients: ScoreCoefficients;
  /** The coefficients that are not by this record, but the defaults. */
  readonly kept: readonly { readonly feature: Explaining; readonly why: string }[];
}

/** Small against the number of samples: it only keeps features that hardly vary, or vary together, from running away. */
const RIDGE = 1e-3;
const LEAST_SAMPLES = 20;
const MAX_COEFFICIENT = 10;

/** In the unit of the score's features, 0..1: of one that varied by less the record does not say what it costs. */
const LEAST_DEVIATION = 0.02;

/** A fit that explains less than this part of latency's variance is hardly better than none. */
export const LEAST_R_SQUARED = 0.3;

/**
 * Fits observed latency to the other features by least squares with a ridge, on standardised features (Hoerl and Kennard,
 * "Ridge regression", 1970), and makes score coefficients of it: a feature costs as much of the score as the latency that
 * it goes with would. One that hardly varied keeps its default; and errors never cost less than that, since an instance
 * that fails is often a fast one.
 * @returns undefined when there are too few samples with a latency
 */
export function fitCoefficients(record: readonly RecordedSample[]): Fit | undefined {
  const usable = record.filter(({ state, latencyMs }) => state === "up" && latencyMs !== undefined);
  if (usable.length < LEAST_SAMPLES) return undefined;
  const latencies = usable.map(({ latencyMs }) => latencyMs!);
  const columns = EXPLAINING.map((feature) => usable.map((sample) => explainingValue(sample, feature)));
  const means = columns.map(meanOf);
  const deviations = columns.map((column, index) => deviationOf(column, means[index]!));
  const meanLatency = meanOf(latencies);

  const rows = usable.map((_, row) =>
    columns.map((column, index) =>
      varies(deviations[index]!, means[index]!) ? (column[row]! - means[index]!) / deviations[index]! : 0,
    ),
  );
  const x = new Matrix(rows);
  const y = Matrix.columnVector(latencies.map((latency) => latency - meanLatency));
  const normal = x
    .transpose()
    .mmul(x)
    .add(Matrix.eye(EXPLAINING.length).mul(RIDGE * usable.length));
  const beta = solve(normal, x.transpose().mmul(y)).to1DArray();

  const residuals = y.clone().sub(x.mmul(Matrix.columnVector(beta)));
  const total = y.norm() ** 2;
  const deviation = deviationOf(latencies, meanLatency);
  const terms = EXPLAINING.map((feature, index) => ({
    feature,
    // The ridge's pull on a single standardised feature is known, and taken back.
    millisecondsPerUnit: varies(deviations[index]!, means[index]!)
      ? (beta[index]! * (1 + RIDGE)) / deviations[index]!
      : 0,
    standardised: deviation > 0 ? beta[index]! / deviation : 0,
  }));
  const median = Math.max(medianOf([...latencies]), Number.MIN_VALUE);
  const medianInFlight = medianOf(usable.map(({ inFlight = 0 }) => inFlight));
  const coefficients = { ...DEFAULT_COEFFICIENTS };
  const kept: Fit["kept"][number][] = [];
  for (const [index, { feature, millisecondsPerUnit }] of terms.entries()) {
    // The score counts requests in flight from the median on, and is at its worst at WORST_RATIO times that.
    const unit = feature === "inFlight" ? Math.max(medianInFlight, LEAST_IN_FLIGHT) * (WORST_RATIO - 1) : 1;
    const cost = (millisecondsPerUnit * unit) / (median * (WORST_RATIO - 1));
    const fitted = Number(Math.min(MAX_COEFFICIENT, Math.max(0, cost)).toPrecision(3));
    if (deviations[index]! / unit < LEAST_DEVIATION) kept.push({ feature, why: "it hardly varied in this record" });
    else if (feature === "errors" && fitted < DEFAULT_COEFFICIENTS.errors) {
      kept.push({ feature, why: "what a failure costs does not show in latency" });
    } else coefficients[feature] = fitted;
  }
  return {
    samples: usable.length,
    rSquared: total > 0 ? 1 - residuals.norm() ** 2 / total : 0,
    interceptMs: meanLatency - terms.reduce((sum, term, index) => sum + term.millisecondsPerUnit * means[index]!, 0),
    terms,
    coefficients,
    kept,
  };
}

/** In the unit of the score's features, but for requests in flight, which a record of one service compares as they are. */
function explainingValue(sample: RecordedSample, feature: Explaining): number {
  if (feature === "errors") {
    const { errorsPerSecond = 0, requestsPerSecond = 0 } = sample;
    return errorsPerSecond === 0 ? 0 : Math.min(1, errorsPerSecond / Math.max(requestsPerSecond, errorsPerSecond));
  }
  return sample[feature] ?? 0;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviationOf(values: readonly number[], mean: number): number {
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

/** A constant column has a deviation of nothing but rounding. */
function varies(deviation: number, mean: number): boolean {
  return deviation > 1e-9 * Math.max(1, Math.abs(mean));
}
