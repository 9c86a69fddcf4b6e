/**
 * A sliding window over the last slots of several figures, in which older news weighs less: slot k back in time has the
 * weight DECAY^k. The sums are carried on, so that a slot costs the same however long the window is:
 * `sum = sum * DECAY + newest - oldest * DECAY^slots`.
 */
export interface Window {
  readonly slots: number;
  /** Ring of the slots; NaN where a figure is absent. One row a figure. */
  readonly ring: Float64Array;
  readonly sums: Float64Array;
  /** The sum of the weights of the slots in which a figure is present. */
  readonly presence: Float64Array;
  head: number;
  /** Slots filled so far, at most `slots`. */
  filled: number;
}

/** Each slot counts for two fifths of the one after it: two slots after a change it makes up five sixths of the mean. */
export const DECAY = 0.4;
export const DEFAULT_SLOTS = 5;

export function createWindow(figures: number, slots = DEFAULT_SLOTS): Window {
  return {
    slots,
    ring: new Float64Array(figures * slots).fill(Number.NaN),
    sums: new Float64Array(figures),
    presence: new Float64Array(figures),
    head: 0,
    filled: 0,
  };
}

/** Moves the window on by one slot. @param values one a figure, NaN where there is none */
export function pushSlot(window: Window, values: ArrayLike<number>): void {
  const { slots, ring, sums, presence } = window;
  const last = DECAY ** slots;
  for (let figure = 0; figure < sums.length; figure++) {
    const place = figure * slots + window.head;
    const oldest = ring[place]!;
    const newest = values[figure]!;
    const hadOldest = !Number.isNaN(oldest);
    const hasNewest = !Number.isNaN(newest);
    sums[figure] = sums[figure]! * DECAY + (hasNewest ? newest : 0) - (hadOldest ? oldest * last : 0);
    presence[figure] = presence[figure]! * DECAY + (hasNewest ? 1 : 0) - (hadOldest ? last : 0);
    ring[place] = newest;
  }
  window.head = (window.head + 1) % slots;
  window.filled = Math.min(slots, window.filled + 1);
}

/** A figure's mean over the window, newer slots weighing more; undefined when no slot has it. */
export function meanOf(window: Window, figure: number): number | undefined {
  const present = window.presence[figure]!;
  // Below the weight of the oldest slot there is nothing but rounding.
  return present < DECAY ** window.slots ? undefined : Math.max(0, window.sums[figure]! / present);
}

/** The part of the window's weight in which a figure is present, 0..1; 1 before there is any slot. */
export function presenceOf(window: Window, figure: number): number {
  if (window.filled === 0) return 1;
  const whole = (1 - DECAY ** window.filled) / (1 - DECAY);
  return Math.min(1, Math.max(0, window.presence[figure]! / whole));
}
