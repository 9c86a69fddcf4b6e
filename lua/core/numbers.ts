export const MAX_BASE_WEIGHT = 1000;
export const MAX_WEIGHT = 65535;
export const DEFAULT_BASE_WEIGHT = 100;
export const MAX_PORT = 65535;

/** Whether `value` is a whole number within `least` and `most`; NaN and infinities are not. */
export function isIntegerWithin(value: unknown, least: number, most: number): value is number {
  return typeof value === "number" && value >= least && value <= most && Math.floor(value) === value;
}

/** The nearest whole number, halves up, alike in both runtimes. */
export function roundHalfUp(value: number): number {
  return Math.floor(value + 0.5);
}
