import { Chalk, type ChalkInstance } from "chalk";

/** A cell: its text, and how it looks on a terminal. */
export type Cell = string | number | { readonly text: string; readonly tone: Tone };
export type Tone = "good" | "bad" | "notable" | "faint";

/** Colours on a terminal, none in a pipe; `NO_COLOR` and `FORCE_COLOR` say otherwise. */
export function colours(stream: { isTTY?: boolean } = process.stdout): ChalkInstance {
  const { NO_COLOR: no, FORCE_COLOR: force } = process.env;
  const otherwise = no === undefined || no === "" ? stream.isTTY === true : false;
  const wanted = force === undefined || force === "" ? otherwise : force !== "0";
  return new Chalk({ level: wanted ? 1 : 0 });
}

/** Aligned columns, numbers to the right, two blanks between. Without rows, the heads alone. */
export function renderTable(heads: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const chalk = colours();
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => textOf(row[column]!).length)));
  const line = (cells: readonly Cell[], bold: boolean): string =>
    cells
      .map((cell, column) => {
        const text = textOf(cell);
        const numeric = rows.length > 0 && rows.every((row) => isNumeric(row[column]!));
        const last = column === cells.length - 1;
        const padded = numeric ? text.padStart(widths[column]!) : last ? text : text.padEnd(widths[column]!);
        return bold ? chalk.bold(padded) : paint(chalk, cell, padded);
      })
      .join("  ")
      .trimEnd();
  return [line(heads, true), ...rows.map((row) => line(row, false))].join("\n");
}

function isNumeric(cell: Cell): boolean {
  return typeof cell === "number" || (typeof cell === "string" && /^[\d.]+ %$/.test(cell));
}

function textOf(cell: Cell): string {
  return printable(typeof cell === "object" ? cell.text : String(cell));
}

/** What others have typed must not move the cursor, forge a row, or turn the direction of what is beside it (UAX #9). */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "?");
}

function paint(chalk: ChalkInstance, cell: Cell, text: string): string {
  if (typeof cell !== "object") return text;
  if (cell.tone === "good") return chalk.green(text);
  if (cell.tone === "bad") return chalk.red(text);
  return cell.tone === "notable" ? chalk.yellow(text) : chalk.dim(text);
}
