/**
 * From a score to what weights follow. Weights move load, load moves scores, and both are told of seconds later: a loop that
 * oscillates when busy instances' scores are taken at their word, since everybody flees from the busiest at once, then back.
 * So a value goes a part of the way in an interval. A fall that is deeper than what load alone does is a fault, and followed
 * until it is over. Chosen by `routectl simulate --score-lag`, see ARCHITECTURE.md.
 */
const PART_DOWN = 0.1;
const PART_UP = 0.2;

/** No step is larger. */
const STEP_DOWN = 0.5;
const STEP_UP = 0.1;

/** A score so far below its value tells of a fault, which is over when it is within `RECOVERED`. */
const FAULT = 0.4;
const RECOVERED = 0.1;

/** As a part of the present value: so close to its score a value stays. */
const DEAD_BAND = 0.07;

export interface Damped {
  /** 0..1 */
  damped: number;
  isFalling: boolean;
}

/** No instance that lives gets less than this part of its base weight. */
export const FLOOR = 0.05;

/** Moves a value by one interval. @param score 0..1 */
export function damp(value: Damped, score: number): void {
  const difference = Math.max(FLOOR, score) - value.damped;
  if (difference < -FAULT) value.isFalling = true;
  else if (difference > -RECOVERED) value.isFalling = false;
  if (Math.abs(difference) <= DEAD_BAND * value.damped) return;
  const partDown = value.isFalling ? 1 : PART_DOWN;
  const step = difference * (difference < 0 ? partDown : PART_UP);
  value.damped += Math.min(STEP_UP, Math.max(-STEP_DOWN, step));
}

/** The part of its weight that a new or returning instance gets: from the floor up to all of it. */
export function slowStartFactor(ageMs: number, slowStartMs: number): number {
  if (slowStartMs <= 0 || ageMs >= slowStartMs) return 1;
  return Math.max(FLOOR, ageMs / slowStartMs);
}
