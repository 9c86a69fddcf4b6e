/** A figure that must not be above a limit. */
export interface Gate {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
}

export function holds({ value, limit }: Gate): boolean {
  return value <= limit;
}

/** A line for each gate, with its figure. */
export function describeGates(gates: readonly Gate[]): string {
  const lines = gates.map((gate) => {
    const { name, value, limit } = gate;
    const verdict = holds(gate) ? "holds" : "falls short";
    return `${verdict.padEnd(11)}  ${name}: ${value.toFixed(Math.abs(value) < 10 ? 2 : 0)} (at most ${limit})`;
  });
  return lines.join("\n");
}

/** The value below which the given part of the values lies. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
}
