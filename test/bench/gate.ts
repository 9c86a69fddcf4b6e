/** A figure that must not be above a limit. */
export interface Gate {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
}

/** Prints each gate with its figure. @returns whether all hold */
export function printGates(gates: readonly Gate[]): boolean {
  for (const { name, value, limit } of gates) {
    const verdict = value <= limit ? "holds" : "falls short";
    console.log(`${verdict.padEnd(11)}  ${name}: ${value.toFixed(value < 10 ? 2 : 0)} (at most ${limit})`);
  }
  return gates.every(({ value, limit }) => value <= limit);
}

/** The value below which the given part of the values lies. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
}
