/**
 * From a score to what weights follow. Weights move load, load moves scores, and both are told of seconds later: a loop that
 * oscillates when busy instances' scores are taken at their word, since everybody flees from the busiest at once, then back.
 * So a value goes a part of the way in an interval. A fall that is deeper than what load alone does is a fault, and followed
 * until it is over. Parts chosen by `routectl simulate --score-lag`, see ARCHITECTURE.md.
 */
export interface Damping {
  readonly partDown: number;
  readonly partUp: number;
  /** No step is larger. */
  readonly stepDown: number;
  readonly stepUp: number;
  /** A score so far below its value tells of a fault, which is over when it is within `recovered`. */
  readonly fault: number;
  readonly recovered: number;
  /** As a part of the present value: so close to its score a value stays. */
  readonly deadBand: number;
}

export const DEFAULT_DAMPING: Damping = {
  partDown: 0.1,
  partUp: 0.2,
  stepDown: 0.5,
  stepUp: 0.1,
  fault: 0.4,
  recovered: 0.1,
  deadBand: 0.07,
};

export interface Damped {
  /** 0..1 */
  damped: number;
  isFalling: boolean;
}

/** No instance that lives gets less than this part of its base weight. */
export const FLOOR = 0.05;

/** Moves a value by one interval. @param score 0..1 */
export function damp(value: Damped, score: number, damping: Damping): void {
  const difference = Math.max(FLOOR, score) - value.damped;
  if (difference < -damping.fault) value.isFalling = true;
  else if (difference > -damping.recovered) value.isFalling = false;
  if (Math.abs(difference) <= damping.deadBand * value.damped) return;
  const partDown = value.isFalling ? 1 : damping.partDown;
  const step = difference * (difference < 0 ? partDown : damping.partUp);
  value.damped += Math.min(damping.stepUp, Math.max(-damping.stepDown, step));
}

/** The part of its weight that a new or returning instance gets: from the floor up to all of it. */
export function slowStartFactor(ageMs: number, slowStartMs: number): number {
  if (slowStartMs <= 0 || ageMs >= slowStartMs) return 1;
  return Math.max(FLOOR, ageMs / slowStartMs);
}
