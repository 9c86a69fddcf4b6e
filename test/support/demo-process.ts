import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { freePort } from "../../cli/stack/ports.ts";
import { MAIN } from "./stack.ts";
import { waitFor } from "./wait.ts";

/** A demo instance in a process of its own, which a test can freeze and kill. */
export interface DemoProcess {
  readonly id: string;
  readonly port: number;
  signal(name: NodeJS.Signals): void;
  close(): Promise<void>;
}

/** Demo instances by the names that a router of `startRouterOf` knows them by: `a`, `b`, `c` and so on. */
export async function startDemoProcesses(count: number): Promise<DemoProcess[]> {
  const starts = Array.from({ length: count }, (_, index) => startDemo(String.fromCharCode("a".charCodeAt(0) + index)));
  return Promise.all(starts);
}

async function startDemo(id: string): Promise<DemoProcess> {
  const [port, statusPort] = [await freePort(), await freePort()];
  const listen = ["--listen", `127.0.0.1:${port}`, "--status-port", `${statusPort}`];
  const child: ChildProcess = spawn(process.execPath, [MAIN, "demo-instance", "--id", id, ...listen], {
    stdio: "ignore",
  });
  await waitFor(`instance ${id}`, () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return {
    id,
    port,
    signal: (name) => child.kill(name),
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
  };
}
