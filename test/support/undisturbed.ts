/** A time that holds for at least a quarter of the measured ones: those that a busy machine has disturbed least. */
export function undisturbed(timesMs: readonly number[]): number {
  return timesMs.toSorted((a, b) => a - b)[Math.floor(timesMs.length / 4)]!;
}
