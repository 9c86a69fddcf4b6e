import { spawn } from "node:child_process";

/** What a program has left. */
export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

/** Runs a program to its end, or to the end of its time. A program that is not there counts as one that ended with 127. */
export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const startedAt = performance.now();
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: options.timeoutMs ?? 90_000,
    killSignal: "SIGKILL",
  });
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      output[stream] += text;
    });
  }
  return new Promise((resolve) => {
    const end = (status: number | null): void =>
      resolve({ status, ...output, ms: Math.round(performance.now() - startedAt) });
    child.once("error", () => end(127));
    child.once("close", end);
  });
}

/** As `run`. @returns what it printed @throws when it does not end well, with the end of what it said */
export async function must(file: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await run(file, args, options);
  if (status === 0) return stdout.trim();
  const said = `${stdout}${stderr}`.trimEnd().split("\n").slice(-15).join("\n");
  throw new Error(`${file} ${args.join(" ")} ended with ${status}:\n${said}`);
}
