/**
 * From a score to what weights follow. Undamped, weights that follow measured load oscillate: everybody flees from the
 * busy instance at once, then back. So a score moves by a bounded step an interval, faster down than up, and not at all
 * while it is close to where it is.
 */
export interface Damping {
  readonly stepDown: number;
  readonly stepUp: number;
  /** As a part of the present value. */
  readonly deadBand: number;
}

export const DEFAULT_DAMPING: Damping = { stepDown: 0.5, stepUp: 0.1, deadBand: 0.07 };

/** No instance that lives gets less than this part of its base weight. */
export const FLOOR = 0.05;

/** @param target the score, 0..1 @returns the value after one interval */
export function damp(value: number, target: number, damping: Damping): number {
  const wanted = Math.max(FLOOR, target);
  const difference = wanted - value;
  if (Math.abs(difference) <= damping.deadBand * value) return value;
  return value + Math.min(damping.stepUp, Math.max(-damping.stepDown, difference));
}

/** The part of its weight that a new or returning instance gets: from the floor up to all of it. */
export function slowStartFactor(ageMs: number, slowStartMs: number): number {
  if (slowStartMs <= 0 || ageMs >= slowStartMs) return 1;
  return Math.max(FLOOR, ageMs / slowStartMs);
}
