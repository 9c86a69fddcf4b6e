import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../support/root.ts";
import { drawBars } from "./bar-chart.ts";
import type { KeptReport } from "./report.ts";

/** A part of the bench that has run. */
export interface Part {
  readonly name: string;
  readonly seconds: number;
  readonly report: KeptReport;
}

/** A run of the bench, as it is kept. */
export interface Run {
  readonly command: string;
  readonly machine: string;
  readonly parts: readonly Part[];
  readonly gates: string;
}

const DIRECTORY = join(ROOT, "test/bench");

/** Writes test/bench/RESULTS.md, and the charts beside it. */
export async function keepResults({ command, machine, parts, gates }: Run): Promise<void> {
  const block = (text: string): string => `\`\`\`text\n${text.trim()}\n\`\`\`\n`;
  const sections = parts.map(
    ({ name, seconds, report }) => `## ${name} (${seconds.toFixed(0)} s)\n\n${block(report.text)}`,
  );
  const date = new Date().toISOString().slice(0, 10);
  const head = `# Results\n\nWhat \`${command}\` printed on ${date}.\n\n${machine}\n`;
  await writeFile(join(DIRECTORY, "RESULTS.md"), [head, `## Gates\n\n${block(gates)}`, ...sections].join("\n"));

  await mkdir(join(DIRECTORY, "results"), { recursive: true });
  for (const chart of parts.flatMap(({ report }) => report.charts)) {
    await writeFile(join(DIRECTORY, "results", `${chart.file}.svg`), `${await drawBars(chart)}\n`);
  }
}
