import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../cli/stack/ports.ts";
import { type RawEtcd, rawEtcd } from "./raw-etcd.ts";
import { waitFor } from "./wait.ts";

/** A real etcd of a test's own: one process, free loopback ports, a data directory that goes with it. */
export interface TestEtcd {
  readonly url: string;
  /** Its keys, past all of routectl. */
  readonly raw: RawEtcd;
  /** Ends it as a power cut would; the data stays. */
  kill(): Promise<void>;
  /** Ends it in order; the data stays. */
  shutDown(): Promise<void>;
  /** Starts it again, on the same port and data. */
  start(): Promise<void>;
  /** It is there and takes connections, but does nothing. */
  pause(): void;
  resume(): void;
  /** Puts its data aside; it is away for a moment. @returns what `restoreFrom` takes */
  backUp(): Promise<string>;
  /** Starts it again with the data of an older moment. */
  restoreFrom(backup: string): Promise<void>;
  /** Starts it again without any data. */
  wipe(): Promise<void>;
  /** Ends it and removes everything. */
  close(): Promise<void>;
}

const ATTEMPTS = 3;

export async function startEtcd(): Promise<TestEtcd> {
  const directory = await mkdtemp(join(tmpdir(), "routectl-etcd-"));
  const data = join(directory, "data");
  let ports: readonly [number, number] = [0, 0];
  let child: ChildProcess | undefined;
  let backups = 0;

  const launch = async (): Promise<void> => {
    const [client, peer] = ports.map((port) => `http://127.0.0.1:${port}`) as [string, string];
    const args = [
      ...["--data-dir", data, "--listen-client-urls", client, "--advertise-client-urls", client],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `default=${peer}`],
      // It has nobody to elect but itself: the sooner the better.
      ...["--heartbeat-interval", "20", "--election-timeout", "200"],
      ...["--logger", "zap", "--log-level", "error"],
    ];
    const started = spawnEtcd(args);
    child = started;
    await waitFor("etcd to answer", async () => {
      if (isOver(started)) throw new Error(`etcd ended with ${started.exitCode ?? started.signalCode}`);
      return rawEtcd(client).isHealthy();
    });
  };

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = child;
    if (ending === undefined || isOver(ending)) return;
    const gone = new Promise((resolve) => ending.once("exit", resolve));
    ending.kill(signal);
    // A paused process takes no other signal.
    ending.kill("SIGCONT");
    await gone;
  };

  const startAnew = async (from: string | undefined): Promise<void> => {
    await end("SIGKILL");
    await rm(data, { recursive: true, force: true });
    if (from !== undefined) await cp(from, data, { recursive: true });
    await launch();
  };

  const close = async (): Promise<void> => {
    await end("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  };

  for (let attempt = 1; ; attempt++) {
    ports = [await freePort(), await freePort()];
    try {
      await startAnew(undefined);
      break;
    } catch (error) {
      // Another test file may have taken a port in between.
      if (attempt < ATTEMPTS) continue;
      await close();
      throw error;
    }
  }

  const url = `http://127.0.0.1:${ports[0]}`;
  return {
    url,
    raw: rawEtcd(url),
    kill: () => end("SIGKILL"),
    shutDown: () => end("SIGTERM"),
    start: launch,
    pause: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
    backUp: async () => {
      await end("SIGTERM");
      const backup = join(directory, `backup-${++backups}`);
      await cp(data, backup, { recursive: true });
      await launch();
      return backup;
    },
    restoreFrom: (backup) => startAnew(backup),
    wipe: () => startAnew(undefined),
    close,
  };
}

/** Should the test runner itself be killed, the kernel ends etcd (prctl PR_SET_PDEATHSIG, through setpriv). */
export function spawnEtcd(args: readonly string[]): ChildProcess {
  const [file, first] = hasSetpriv() ? ["setpriv", ["--pdeathsig", "KILL", "--", "etcd"]] : ["etcd", []];
  return spawn(file, [...first, ...args], { stdio: "ignore" });
}

let setpriv: boolean | undefined;

function hasSetpriv(): boolean {
  setpriv ??= spawnSync("setpriv", ["--pdeathsig", "KILL", "--", "true"]).status === 0;
  return setpriv;
}

function isOver(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
