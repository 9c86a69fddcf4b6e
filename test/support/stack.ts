import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./root.ts";
import { expectNoScriptErrors } from "./script-errors.ts";
import { waitFor } from "./wait.ts";

export const MAIN = join(ROOT, "dist/node/cli/main.js");

/** A stack that `routectl up` has started for a test, on free ports and a state directory of its own. */
export interface TestStack {
  readonly router: string;
  readonly admin: string;
  readonly ipconfig: string;
  readonly etcd: string;
  readonly stateDirectory: string;
  /** What it has printed so far, stderr included. */
  output(): string;
  pidOf(part: string): number;
  /** Runs routectl against this stack. */
  run(...args: string[]): Promise<Run>;
  /** Runs routectl and reads its JSON; fails the test when the command fails. */
  json<T>(...args: string[]): Promise<T>;
  /** Ends it with a signal and waits until it is gone; the state directory stays. */
  end(signal: NodeJS.Signals): Promise<number | null>;
  /** Ends it and removes everything. */
  close(): Promise<void>;
}

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface StackSettings {
  readonly args?: readonly string[];
  readonly stateDirectory?: string;
}

export async function startTestStack(settings: StackSettings = {}): Promise<TestStack> {
  const stateDirectory = settings.stateDirectory ?? (await mkdtemp(join(tmpdir(), "routectl-test-")));
  const free = ["--listen", "--admin-listen", "--ipconfig-listen", "--etcd-listen"].flatMap((flag) => [flag, ":0"]);
  const child = spawn(
    process.execPath,
    [MAIN, "up", "--state-dir", stateDirectory, ...free, ...(settings.args ?? [])],
    {
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const gone = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const ready = (): RegExpExecArray | null =>
    /^ready router=(\S+) admin=(\S+) ipconfig=(\S+) etcd=(\S+)$/m.exec(output);
  await waitFor("the ready line", () => {
    if (child.exitCode !== null) throw new Error(`routectl up ended:\n${output}`);
    return ready() !== null;
  });
  const [, router, admin, ipconfig, etcd] = ready() as unknown as string[];
  const connection = ["--etcd", etcd!, "--ipconfig", ipconfig!, "--router", admin!];

  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    return gone;
  };
  const stack: TestStack = {
    router: router!,
    admin: admin!,
    ipconfig: ipconfig!,
    etcd: etcd!,
    stateDirectory,
    output: () => output,
    pidOf: (part) => {
      const [, pid] = new RegExp(`^${part} +\\| pid (\\d+)$`, "m").exec(output) ?? [];
      if (pid === undefined) throw new Error(`no pid of ${part} in:\n${output}`);
      return Number(pid);
    },
    run: (...args) => runRoutectl([...args, ...connection]),
    json: async <T>(...args: string[]) => {
      const { status, stdout, stderr } = await runRoutectl([...args, "-o", "json", ...connection]);
      if (status !== 0) throw new Error(`routectl ${args.join(" ")} exited with ${status}: ${stderr}`);
      return JSON.parse(stdout) as T;
    },
    end,
    close: async () => {
      if (child.exitCode === null && child.signalCode === null) await end("SIGTERM");
      const log = await readFile(join(stateDirectory, "log/nginx.log"), "utf8").catch(() => "");
      await rm(stateDirectory, { recursive: true, force: true });
      expectNoScriptErrors(log);
    },
  };
  return stack;
}

/** Runs the built program, as a user would. */
export function runRoutectl(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  const started = performance.now();
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return collect(child, started);
}

function collect(child: ChildProcess, started: number): Promise<Run> {
  let stdout = "";
  let stderr = "";
  child.stdout!.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr!.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((resolve) => {
    child.once("close", (status) => resolve({ status, stdout, stderr, ms: performance.now() - started }));
  });
}

/** Ends the exporter, and waits until the scores are neutral, for tests that count on base weights. */
export async function withoutScores(stack: TestStack): Promise<void> {
  process.kill(stack.pidOf("exporter"), "SIGTERM");
  await waitFor("neutral scores", async () => {
    const scores = (await (await fetch(`${stack.ipconfig}/v1/services/demo/scores`)).json()) as {
      instances: unknown[];
    };
    const { peers } = (await (await fetch(`${stack.admin}/v1/services/demo`)).json()) as {
      peers: { weight: number }[];
    };
    return scores.instances.length === 0 && peers.every(({ weight }) => weight === 100);
  });
}

/** The processes that were started for a state directory and are still there. */
export async function processesOf(stateDirectory: string): Promise<string[]> {
  const { readdir } = await import("node:fs/promises");
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const environment = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const directory = await readFile(`/proc/${pid}/cwd`, "utf8").catch(() => "");
    if (`${environment}${directory}`.includes(stateDirectory)) found.push(environment.replaceAll("\0", " "));
  }
  return found;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The process ids of a process's children. */
export async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return text.trim().split(" ").filter(Boolean).map(Number);
}
