import { stripVTControlCharacters } from "node:util";
import type { BarChart } from "./bar-chart.ts";

/** Where a part of the bench puts what it has found. */
export interface Report {
  /** Shows a text, and keeps it for RESULTS.md. */
  print(text: string): void;
  /** For the README; drawn when the results are kept. */
  draw(chart: BarChart): void;
}

/** What a part has reported. */
export interface KeptReport extends Report {
  readonly text: string;
  readonly charts: readonly BarChart[];
}

export function createReport(): KeptReport {
  const lines: string[] = [];
  const charts: BarChart[] = [];
  return {
    print: (text) => {
      console.log(text);
      lines.push(stripVTControlCharacters(text));
    },
    draw: (chart) => charts.push(chart),
    get text() {
      return lines.join("\n");
    },
    charts,
  };
}
