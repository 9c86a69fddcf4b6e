import { spawn } from "node:child_process";
import { once } from "node:events";
import { MAIN } from "../support/stack.ts";
import { waitFor } from "../support/wait.ts";

/** An ipconfig as `routectl ipconfig` starts it. */
export interface IpconfigProcess {
  readonly pid: number;
  readonly url: string;
  end(signal: NodeJS.Signals): Promise<void>;
}

/** Starts one, and waits until it has lists: there must be a service in etcd. */
export async function startIpconfig(etcd: string, port: number): Promise<IpconfigProcess> {
  const child = spawn(process.execPath, [MAIN, "ipconfig", "--listen", `127.0.0.1:${port}`, "--etcd", etcd], {
    stdio: "ignore",
  });
  const url = `http://127.0.0.1:${port}`;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  };
  const isReady = (): Promise<boolean> =>
    fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  try {
    await waitFor(
      "ipconfig to be ready",
      () => {
        if (child.exitCode !== null) throw new Error(`ipconfig ended with ${child.exitCode}`);
        return isReady();
      },
      60_000,
    );
  } catch (error) {
    await end("SIGKILL");
    throw error;
  }
  return { pid: child.pid!, url, end };
}
