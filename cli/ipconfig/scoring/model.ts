import type { ScoreCoefficients } from "../../../lua/core/types.ts";

/**
 * score = presence × clamp(1 − Σ coefficient × feature, 0..1)
 *
 * Features are 0..1, 0 is best. Those that depend on the machine are looked at relative to the service's median, so that a
 * slow service is not a service of sick instances. `presence` is the part of the window, newer slots weighing more, in
 * which the instance has reported at all.
 */
export interface Features {
  /** CPU in use, 0..1. */
  readonly cpu: number;
  /** Memory in use in steps of a tenth: noise must not move it. */
  readonly memory: number;
  /** 0 up to the median, 1 from five times the median on. */
  readonly latency: number;
  /** The part of the requests that fail. */
  readonly errors: number;
  /** Relative to the instance's capacity where it is known, else to the median, as with latency. */
  readonly inFlight: number;
}

/** What is known of an instance: means over its window; undefined where it does not report. */
export interface Means {
  readonly cpu: number | undefined;
  readonly memory: number | undefined;
  readonly requestsPerSecond: number | undefined;
  readonly errorsPerSecond: number | undefined;
  readonly latencyMs: number | undefined;
  readonly inFlight: number | undefined;
}

/** What an instance is compared with. */
export interface Medians {
  readonly latencyMs: number;
  readonly inFlight: number;
}

/**
 * Published defaults: an instance that uses all of its CPU loses four fifths of its score, one that is five times as slow
 * as the others half of it, one that fails every request most of it.
 */
export const DEFAULT_COEFFICIENTS: ScoreCoefficients = {
  cpu: 0.8,
  memory: 0.1,
  latency: 0.5,
  errors: 0.9,
  inFlight: 0.2,
};

export const FEATURE_NAMES = ["cpu", "memory", "latency", "errors", "inFlight"] as const;

/** Differences below these say nothing: an idle instance may answer in one millisecond or in three. */
const LEAST_LATENCY_MS = 10;
export const LEAST_IN_FLIGHT = 4;

/** This many times the median is as bad as it gets. */
export const WORST_RATIO = 5;

/** @param capacity requests that the instance can have under way; undefined when it does not say */
export function featuresOf(means: Means, medians: Medians, capacity: number | undefined): Features {
  const { requestsPerSecond: requests = 0, errorsPerSecond: errors = 0, inFlight = 0 } = means;
  return {
    cpu: means.cpu ?? 0,
    memory: Math.floor((means.memory ?? 0) * 10 + 1e-9) / 10,
    latency: means.latencyMs === undefined ? 0 : aboveMedian(means.latencyMs, medians.latencyMs, LEAST_LATENCY_MS),
    errors: errors === 0 ? 0 : clamp(errors / Math.max(requests, errors)),
    inFlight:
      capacity !== undefined ? clamp(inFlight / capacity) : aboveMedian(inFlight, medians.inFlight, LEAST_IN_FLIGHT),
  };
}

/** 0 up to the median, rising to 1 at WORST_RATIO times the median; the median counts as `least` where it is lower. */
function aboveMedian(value: number, median: number, least: number): number {
  const basis = Math.max(median, least);
  return clamp((value / basis - 1) / (WORST_RATIO - 1));
}

/** The score by the linear model, 0..1. */
export function scoreOf(features: Features, coefficients: ScoreCoefficients, presence: number): number {
  let penalty = 0;
  for (const name of FEATURE_NAMES) penalty += coefficients[name] * features[name];
  return presence * clamp(1 - penalty);
}

export function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}

/** The middle of the values; 0 when there are none. Sorts the array that it is given. */
export function medianOf(values: Float64Array | number[]): number {
  if (values.length === 0) return 0;
  if (values instanceof Float64Array) values.sort();
  else values.sort((a, b) => a - b);
  const middle = values.length >> 1;
  return values.length % 2 === 1 ? values[middle]! : (values[middle - 1]! + values[middle]!) / 2;
}
