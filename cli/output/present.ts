import { setTimeout as delay } from "node:timers/promises";
import { isUnreachable } from "../errors.ts";

export const FORMATS = ["table", "wide", "json", "yaml"] as const;
export type Format = (typeof FORMATS)[number];

export interface ReadOptions {
  readonly output: Format;
  readonly watch?: boolean;
}

const WATCH_INTERVAL_MS = 1000;

/** Says that a part does not answer, though others do. */
export type TellSilent = (part: string, message: string) => void;

/**
 * Prints what a read command found, once, or with `--watch` again every second. What has been seen once is looked for again
 * when a part stops answering: the last that was printed stays, and it is said, once until that part answers again.
 */
export async function present<T>(
  options: ReadOptions,
  read: (tellSilent: TellSilent) => Promise<T>,
  renderText: (value: T, wide: boolean) => string,
): Promise<void> {
  let silentBefore = new Set<string>();
  let silent = new Set<string>();
  const tellSilent: TellSilent = (part, message) => {
    if (!silentBefore.has(part)) warn(message);
    silent.add(part);
  };
  const show = async (): Promise<string> => {
    silentBefore = silent;
    silent = new Set();
    return formatAs(options.output, await read(tellSilent), renderText);
  };
  let text: string | undefined = await show();
  if (options.watch !== true) return write(text);
  while (true) {
    if (text !== undefined) {
      if (process.stdout.isTTY === true) process.stdout.write("\u001b[2J\u001b[H");
      write(text);
    }
    await delay(WATCH_INTERVAL_MS);
    text = await show().catch((error: unknown) => {
      if (!isUnreachable(error)) throw error;
      // Its message says why, and that may differ each time: refused, reset, too late.
      tellSilent(error.code, error.message);
      return undefined;
    });
  }
}

export async function formatAs<T>(
  format: Format,
  value: T,
  renderText: (value: T, wide: boolean) => string,
): Promise<string> {
  if (format === "json") return JSON.stringify(value, undefined, process.stdout.isTTY === true ? 2 : undefined);
  if (format === "yaml") return (await import("yaml")).stringify(value).trimEnd();
  return renderText(value, format === "wide");
}

export function write(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** What a user should know although the command goes on. */
export function warn(text: string): void {
  process.stderr.write(`routectl: warning: ${text}\n`);
}
