import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { EXIT, RoutectlError, unreachable } from "../errors.ts";
import { getJson } from "../remote/http.ts";
import { fetchStatus, routerAt } from "../remote/router.ts";
import { applyManifest } from "../store/apply.ts";
import { readCatalog, serviceNames } from "../store/catalog.ts";
import { openStore, type Store, type StoreOptions } from "../store/etcd.ts";
import type { Manifest } from "../store/manifest.ts";
import { registerInstance } from "../store/registration.ts";
import { findEtcd, findNginx } from "./binaries.ts";
import { writeNginxFiles } from "./nginx-files.ts";
import { type Part, type PartOptions, startPart } from "./part.ts";
import { claimEndpoint, type Endpoint, formatEndpoint, freePort, isFree, urlOf } from "./ports.ts";

export interface UpOptions {
  readonly listen: Endpoint;
  readonly adminListen: Endpoint;
  readonly ipconfigListen: Endpoint;
  readonly etcdListen: Endpoint;
  /** An etcd that is there already; undefined: start one. */
  readonly etcd: StoreOptions | undefined;
  /** Of the keys in etcd; undefined for the default. */
  readonly prefix: string | undefined;
  readonly stateDirectory: string;
  readonly workers: number;
  readonly demo: boolean;
  readonly manifest: Manifest | undefined;
}

const MAIN = fileURLToPath(new URL("../main.js", import.meta.url));
const START_TIMEOUT_MS = 15_000;
const DEMO = "demo";
const STATUS_PORT = "statusPort";
const DEMO_INSTANCES = 3;
const AUTHOR = { by: "routectl up", reason: "start of the stack", dryRun: false };

/** The whole stack on this machine. */
export interface Stack {
  readonly readyLine: string;
  stop(): Promise<void>;
}

/**
 * Starts etcd, ipconfig, the demo instances and nginx, in this order, and waits until all of them answer.
 * @param show shows a line about a part
 * @throws RoutectlError that says what to do; nothing stays behind
 */
export async function startStack(
  options: UpOptions,
  show: (name: string, text: string) => void,
  signal: AbortSignal,
): Promise<Stack> {
  process.title = UP_TITLE;
  const nginx = findNginx();
  const etcdPath = options.etcd === undefined ? findEtcd() : undefined;
  await claimStateDirectory(options.stateDirectory);
  const parts: Part[] = [];
  let store: Store | undefined;
  let ready = false;
  let stopping = false;
  const stop = async (): Promise<void> => {
    ready = false;
    stopping = true;
    store?.close();
    for (const part of parts.reverse()) await part.stop();
    await rm(join(options.stateDirectory, PID_FILE), { force: true });
  };

  const start = (part: Omit<PartOptions, "show" | "logFile">): Part => {
    const logFile = join(options.stateDirectory, "log", `${part.name}.log`);
    const started = startPart({
      ...part,
      logFile,
      // What parts say while they are being ended is no trouble.
      show: (name, text) => {
        if (!stopping) show(name, text);
      },
    });
    parts.push(started);
    void started.ended.then((how) => {
      if (!ready) return;
      const again = [part.command === process.execPath ? "node" : part.command, ...part.args].map(quote).join(" ");
      // nginx's workers outlive a master that was killed: they still serve, and hold the ports.
      const before = part.name === "nginx" ? `kill -9 -- -${started.pid}; ` : "";
      show(part.name, `${how}; the others go on. Start it again with: ${before}${again}`);
    });
    return started;
  };
  const startNode = (name: string, args: readonly string[]): Part =>
    start({ name, command: process.execPath, args: [MAIN, ...args], trouble: warningOf });

  try {
    // All are looked at before anything is started.
    const listen = await claimEndpoint(options.listen, "--listen");
    const admin = await claimEndpoint(options.adminListen, "--admin-listen");
    const ipconfig = await claimEndpoint(options.ipconfigListen, "--ipconfig-listen");
    let storeOptions = options.etcd;
    if (etcdPath !== undefined) {
      const endpoint = await claimEndpoint(options.etcdListen, "--etcd-listen");
      storeOptions = { urls: urlOf(endpoint), ...(options.prefix === undefined ? {} : { prefix: options.prefix }) };
      const part = start({
        name: "etcd",
        command: etcdPath,
        args: await etcdArguments(options.stateDirectory, endpoint),
        trouble: (line) => (/"level":"(error|fatal|panic)"| [CEF] \| /.test(line) ? line : undefined),
      });
      await until(part, signal, async () => {
        const probe = openStore({ urls: urlOf(endpoint), callTimeoutMs: 500 });
        await probe.get("/").finally(() => probe.close());
      });
    }
    store = openStore(storeOptions!);
    await store.get(store.keys.epoch());
    const etcdUrls = storeOptions!.urls;
    const etcdArgs = ["--etcd", etcdUrls, ...(options.prefix === undefined ? [] : ["--prefix", options.prefix])];

    const ipconfigPart = startNode("ipconfig", ["ipconfig", "--listen", formatEndpoint(ipconfig), ...etcdArgs]);
    if (options.manifest !== undefined) await applyManifest(store, options.manifest, false, AUTHOR);
    if (options.demo) {
      const started = (await demoInstances(store)).map(async ({ id, port, metadata }) => {
        const listen = ["--listen", `127.0.0.1:${port}`, "--status-port", metadata[STATUS_PORT]!];
        const part = startNode(id, ["demo-instance", "--id", id, ...listen]);
        await until(part, signal, () => getJson({ part: id, urls: `http://127.0.0.1:${port}`, hint: "" }, "/"));
        await registerInstance(store!, DEMO, { id, address: "127.0.0.1", port, metadata }, AUTHOR);
      });
      await Promise.all(started);
    }
    startNode("exporter", ["exporter", "--listen", "127.0.0.1:0", ...etcdArgs]);
    const services = serviceNames(await readCatalog(store)).length;
    await until(ipconfigPart, signal, async () => {
      const { value } = await getJson<{ epoch: string | null }>(
        { part: "ipconfig", urls: urlOf(ipconfig), hint: "" },
        "/v1/services",
      );
      if (value.epoch === null && services > 0) throw new Error("ipconfig has no list yet");
    });

    const directory = join(options.stateDirectory, "nginx");
    const configuration = await writeNginxFiles(directory, nginx, {
      listen: formatEndpoint(listen),
      adminListen: formatEndpoint(admin),
      ipconfig: urlOf(ipconfig),
      node: `local-${admin.port}`,
      workers: options.workers,
    });
    const nginxPart = start({
      name: "nginx",
      command: nginx.path,
      args: ["-p", directory, "-c", configuration, "-g", "daemon off;"],
      trouble: nginxTroubleOf,
      stopSignal: "SIGQUIT",
    });
    await until(nginxPart, signal, async () => {
      const status = await fetchStatus(routerAt(urlOf(admin)));
      const served = status.mode === "normal" && status.services >= Math.min(1, services);
      if ((!served && services > 0) || status.workers.length < (services > 0 ? options.workers : 0)) {
        throw new Error("the router has no list yet");
      }
    });
    const readyLine = `ready router=${urlOf(listen)} admin=${urlOf(admin)} ipconfig=${urlOf(ipconfig)} etcd=${store.urls}`;
    for (const { name, pid } of parts) show(name, `pid ${pid}`);
    ready = true;
    return { readyLine, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const PID_FILE = "up.pid";
const UP_TITLE = "routectl up";

/** One stack a state directory. */
async function claimStateDirectory(directory: string): Promise<void> {
  try {
    await mkdir(join(directory, "log"), { recursive: true });
    const before = Number(await readFile(join(directory, PID_FILE), "utf8").catch(() => "0"));
    if (before > 0 && before !== process.pid && (await isStack(before))) {
      throw new RoutectlError(
        "already-up",
        EXIT.error,
        `a stack is up on ${directory} (pid ${before}): stop it, or choose another place with --state-dir DIR`,
      );
    }
    await writeFile(join(directory, PID_FILE), `${process.pid}\n`);
  } catch (error) {
    if (error instanceof RoutectlError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new RoutectlError(
      "state-dir",
      EXIT.error,
      `can't write to ${directory} (${code}): choose another place with --state-dir DIR`,
    );
  }
}

/** A process id is used again after a while, so its title is looked at as well. */
async function isStack(pid: number): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return commandLine.startsWith(UP_TITLE);
}

async function etcdArguments(stateDirectory: string, endpoint: Endpoint): Promise<string[]> {
  const peers = `http://127.0.0.1:${await freePort()}`;
  const client = urlOf(endpoint);
  return [
    ...["--data-dir", join(stateDirectory, "etcd")],
    ...["--listen-client-urls", client, "--advertise-client-urls", client],
    ...["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", `default=${peers}`],
    // Statuses are written anew every second, and etcd keeps old values until they are compacted.
    ...["--auto-compaction-mode", "periodic", "--auto-compaction-retention", "5m"],
    ...["--logger", "zap", "--log-level", "warn"],
  ];
}

/** The demo instances, on the ports that they had before where those are free. */
async function demoInstances(store: Store): Promise<{ id: string; port: number; metadata: Record<string, string> }[]> {
  const known = (await readCatalog(store)).services.get(DEMO)?.instances;
  const instances: { id: string; port: number; metadata: Record<string, string> }[] = [];
  const portLike = async (before: number | undefined): Promise<number> =>
    before !== undefined && (await isFree(before)) ? before : freePort();
  for (let number = 1; number <= DEMO_INSTANCES; number++) {
    const id = `${DEMO}-${number}`;
    const before = known?.get(id);
    const port = await portLike(before?.port);
    const statusBefore = before?.metadata[STATUS_PORT];
    const statusPort = await portLike(statusBefore === undefined ? undefined : Number(statusBefore));
    instances.push({ id, port, metadata: { ...before?.metadata, [STATUS_PORT]: String(statusPort) } });
  }
  return instances;
}

/** Asks until it succeeds. @throws when the part ends, or does not answer in time */
async function until(part: Part, signal: AbortSignal, ask: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  let how: string | undefined;
  void part.ended.then((ended) => {
    how = ended;
  });
  while (true) {
    signal.throwIfAborted();
    if (how !== undefined) {
      throw new RoutectlError("part-ended", EXIT.error, `${part.name} ${how}: ${part.lastLine()}`);
    }
    try {
      await ask();
      return;
    } catch (error) {
      if (performance.now() > deadline) {
        const said = part.lastLine() === "" ? "" : `; it said: ${part.lastLine()}`;
        throw unreachable(
          "part-silent",
          `${part.name} did not answer within ${START_TIMEOUT_MS / 1000} s${said}`,
          error,
        );
      }
      await delay(50);
    }
  }
}

/** Warnings and errors of a part that logs in pino's JSON. */
function warningOf(line: string): string | undefined {
  try {
    const { level, msg } = JSON.parse(line) as { level: number; msg: string };
    return level >= 40 ? msg : undefined;
  } catch {
    return line;
  }
}

/** What the router warns of, a script of its own that fails, and what stops nginx; a request that failed stays in the log file. */
function nginxTroubleOf(line: string): string | undefined {
  const [, warning] = /routectl: (.*?)(, context: .*)?$/.exec(line) ?? [];
  return warning ?? (/\[(emerg|alert|crit)\]|init_by_lua error|runtime error/.test(line) ? line : undefined);
}

function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
