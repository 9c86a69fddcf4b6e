import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

/** One process of the stack. */
export interface Part {
  readonly name: string;
  readonly pid: number;
  /** Resolves with how it ended, in words. */
  readonly ended: Promise<string>;
  /** What it said last. */
  lastLine(): string;
  stop(): Promise<void>;
}

export interface PartOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Everything that it prints goes here. */
  readonly logFile: string;
  /** The text of a line that an operator should see; undefined for one that stays in the log file. */
  readonly trouble: (line: string) => string | undefined;
  /** Shows a line of trouble. */
  readonly show: (name: string, text: string) => void;
  /** Asked to end with this, then with SIGTERM, then killed. */
  readonly stopSignal?: NodeJS.Signals;
}

/** At most one line a second of each part is shown; the others are in its log file. */
const SHOW_INTERVAL_MS = 1000;
const GRACE_MS = 1500;

/**
 * Starts a process in a session of its own, so that Ctrl-C reaches us alone and we end the parts in order. Should we be
 * killed without a chance to do so, the kernel ends them (prctl PR_SET_PDEATHSIG, through util-linux's setpriv).
 */
export function startPart(options: PartOptions): Part {
  const { name, command, args } = options;
  const [file, fileArgs] = hasSetpriv()
    ? ["setpriv", ["--pdeathsig", "TERM", "--", command, ...args]]
    : [command, [...args]];
  const child = spawn(file, fileArgs, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const log = createWriteStream(options.logFile, { flags: "a" });
  log.on("error", () => undefined);
  let lastLine = "";
  let shownAt = 0;
  let unshown = 0;
  const onLine = (line: string): void => {
    log.write(`${line}\n`);
    if (line.trim() !== "") lastLine = line;
    const text = options.trouble(line);
    if (text === undefined) return;
    if (performance.now() - shownAt < SHOW_INTERVAL_MS) {
      unshown++;
      return;
    }
    options.show(name, unshown > 0 ? `${text} (and ${unshown} more lines in ${options.logFile})` : text);
    shownAt = performance.now();
    unshown = 0;
  };
  createInterface({ input: child.stdout! }).on("line", onLine);
  createInterface({ input: child.stderr! }).on("line", onLine);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`did not start: ${error.message}`));
    child.once("exit", (code, signal) =>
      resolve(signal === null ? `ended with status ${code}` : `was ended by ${signal}`),
    );
  });
  return { name, pid: child.pid ?? 0, ended, lastLine: () => lastLine, stop: () => stopPart(child, ended, options) };
}

async function stopPart(child: ChildProcess, ended: Promise<string>, { stopSignal }: PartOptions): Promise<void> {
  const over = (): boolean => child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
  for (const signal of [stopSignal ?? "SIGTERM", "SIGTERM"] as const) {
    if (over()) break;
    child.kill(signal);
    const waiting = new AbortController();
    await Promise.race([ended, delay(GRACE_MS, undefined, { signal: waiting.signal }).catch(() => undefined)]);
    waiting.abort();
  }
  // The whole session, so that nothing that the part has started stays.
  if (child.pid !== undefined) {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // Nobody is left.
    }
  }
  if (!over()) await ended;
}

let setpriv: boolean | undefined;

function hasSetpriv(): boolean {
  setpriv ??= spawnSync("setpriv", ["--pdeathsig", "TERM", "--", "true"]).status === 0;
  return setpriv;
}
