import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findNginx } from "../../cli/stack/binaries.ts";
import { writeNginxFiles } from "../../cli/stack/nginx-files.ts";
import { freePort } from "../../cli/stack/ports.ts";
import { expectNoScriptErrors } from "./script-errors.ts";
import { waitFor } from "./wait.ts";

/** A real nginx with the router, and nothing else: the test brings its own ipconfigs. */
export interface TestRouter {
  readonly url: string;
  readonly admin: string;
  readonly directory: string;
  readonly pid: number;
  log(): string;
  /** JSON of the admin API. */
  read<T>(path: string): Promise<T>;
  close(): Promise<void>;
}

export interface RouterSettings {
  /** URLs, separated by commas. */
  readonly ipconfig: string;
  readonly workers?: number;
  /** Further settings of the router's init, in Lua. */
  readonly init?: string;
  /** Further locations of the server, in nginx's words. */
  readonly locations?: string;
}

export async function startRouter(settings: RouterSettings): Promise<TestRouter> {
  const directory = await mkdtemp(join(tmpdir(), "routectl-nginx-"));
  const nginx = findNginx();
  const [port, adminPort] = [await freePort(), await freePort()];
  const configuration = await writeNginxFiles(directory, nginx, {
    listen: `127.0.0.1:${port}`,
    adminListen: `127.0.0.1:${adminPort}`,
    ipconfig: settings.ipconfig,
    node: `test-${adminPort}`,
    workers: settings.workers ?? 2,
    ...(settings.init === undefined ? {} : { init: settings.init }),
  });
  if (settings.locations !== undefined) {
    const text = await readFile(configuration, "utf8");
    const listen = `listen 127.0.0.1:${port};`;
    await writeFile(
      configuration,
      text.replace(listen, () => `${listen}\n${settings.locations}`),
    );
  }
  const child = spawn(nginx.path, ["-p", directory, "-c", configuration, "-g", "daemon off;"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => {
    log += chunk.toString();
  });
  const admin = `http://127.0.0.1:${adminPort}`;
  await waitFor("nginx to answer", () => {
    if (child.exitCode !== null) throw new Error(`nginx ended:\n${log}`);
    return fetch(`${admin}/v1/status`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return {
    url: `http://127.0.0.1:${port}`,
    admin,
    directory,
    pid: child.pid!,
    log: () => log,
    read: async <T>(path: string) => (await (await fetch(`${admin}${path}`)).json()) as T,
    close: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGTERM");
        await once(child, "exit");
      }
      await rm(directory, { recursive: true, force: true });
      expectNoScriptErrors(log);
    },
  };
}
