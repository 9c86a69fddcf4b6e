import { exponential, normal, type Random } from "./random.ts";

/** How long requests take at a server, waiting apart. */
export interface ServiceTimes {
  readonly name: string;
  /** At a server of ordinary speed. */
  readonly meanMs: number;
  /** One request's time as a multiple of the mean. */
  draw(random: Random): number;
}

/** With this, one of a hundred requests takes some six times as long as the mean: a heavier tail than the exponential's. */
const LOGNORMAL_SIGMA = 1;

export function exponentialTimes(meanMs: number): ServiceTimes {
  return { name: "exponential", meanMs, draw: (random) => exponential(random, 1) };
}

export function lognormalTimes(meanMs: number): ServiceTimes {
  // The mean of e^(σN) is e^(σ²/2).
  const draw = (random: Random): number => Math.exp(LOGNORMAL_SIGMA * normal(random) - LOGNORMAL_SIGMA ** 2 / 2);
  return { name: "lognormal", meanMs, draw };
}

/** Times that were measured, drawn in any order. @param milliseconds at least one, with a mean above 0 */
export function recordedTimes(milliseconds: readonly number[]): ServiceTimes {
  const meanMs = milliseconds.reduce((sum, value) => sum + value, 0) / milliseconds.length;
  const draw = (random: Random): number => milliseconds[Math.floor(random() * milliseconds.length)]! / meanMs;
  return { name: "recorded", meanMs, draw };
}
