import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const MAIN = fileURLToPath(new URL("../../dist/node/cli/main.js", import.meta.url));
const TIMEOUT_MS = 20_000;

/** What a run of the built program has left: all that a user sees of it. */
export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; none otherwise. */
  readonly input?: string;
}

/** Runs `routectl` to its end, with no settings of the machine's; one that does not end is killed. */
export function routectl(args: readonly string[], { env = {}, input }: RunOptions = {}): Promise<Run> {
  if (!existsSync(MAIN)) throw new Error("routectl is not built: run npm run build");
  const ours = Object.entries(process.env).filter(([name]) => !/^(ROUTECTL_|NO_COLOR$|FORCE_COLOR$)/.test(name));
  const startedAt = performance.now();
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...Object.fromEntries(ours), ...env } });
  const killer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      output[stream] += text;
    });
  }
  child.stdin.on("error", () => undefined).end(input ?? "");
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => {
      clearTimeout(killer);
      resolve({ status, ...output, ms: performance.now() - startedAt });
    });
  });
}

/** `routectl` against one etcd, typed as a user types it; `must` fails the test when the command fails. */
export function routectlFor(etcdUrl: string, env: Readonly<Record<string, string>> = {}) {
  const settings = { ROUTECTL_ETCD: etcdUrl, ROUTECTL_BY: "tester", ...env };
  const run = (...args: string[]): Promise<Run> => routectl(args, { env: settings });
  return {
    run,
    runWith: (input: string, ...args: string[]): Promise<Run> => routectl(args, { env: settings, input }),
    must: async (...args: string[]): Promise<string> => {
      const { status, stdout, stderr } = await run(...args);
      if (status !== 0) throw new Error(`routectl ${args.join(" ")} exited with ${status}: ${stderr}`);
      return stdout;
    },
  };
}
