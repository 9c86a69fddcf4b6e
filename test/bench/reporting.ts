import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../../cli/stack/ports.ts";
import { serveStatus } from "../../cli/status/index.ts";
import { type Operation, openStore, type Store } from "../../cli/store/etcd.ts";
import { encodeStatus, type Sample } from "../../cli/store/status.ts";
import { startEtcd } from "../support/etcd.ts";
import { MAIN } from "../support/stack.ts";
import { waitFor } from "../support/wait.ts";
import type { Gate } from "./gate.ts";
import { startIpconfig } from "./ipconfig-process.ts";
import { cpuMicroseconds } from "./process-figures.ts";
import type { Report } from "./report.ts";

const MEASURED_MS = 10_000;

/** What status reports cost the processes that handle them: CPU time, in cores. */
export async function benchReporting(report: Report): Promise<Gate[]> {
  const etcd = await startEtcd();
  const store = openStore({ urls: etcd.url, callTimeoutMs: 10_000 });
  try {
    return [
      ...(await ipconfigOfTenThousand(store, etcd.url, report)),
      ...(await exporterOfTwoThousand(store, etcd.url)),
    ];
  } finally {
    store.close();
    await etcd.close();
  }
}

async function ipconfigOfTenThousand(store: Store, etcd: string, report: Report): Promise<Gate[]> {
  const services = Array.from({ length: 100 }, (_, index) => `reported-${index}`);
  const ids = Array.from({ length: 100 }, (_, index) => `i-${index}`);
  await registerAll(store, services, ids, undefined);
  const ipconfig = await startIpconfig(etcd, await freePort());
  const { url } = ipconfig;
  let stopped = false;
  try {
    // One router polls, as it would.
    let answers = 0;
    let bytes = 0;
    const poll = async (): Promise<void> => {
      let since = "";
      while (!stopped) {
        const response = await fetch(`${url}/v1/snapshot?router=bench&waitMs=1000${since}`).catch(() => undefined);
        if (response?.status !== 200) continue;
        const text = await response.text();
        const { epoch, revision } = JSON.parse(text) as { epoch: string; revision: number };
        if (since !== "") {
          answers++;
          bytes += text.length;
        }
        since = `&epoch=${epoch}&revision=${revision}`;
      }
    };
    const polling = poll();
    const writing = (async () => {
      while (!stopped) {
        const started = performance.now();
        await putStatuses(store, services, ids);
        await delay(Math.max(0, 1000 - (performance.now() - started)));
      }
    })();
    await delay(3000);
    const cores = await coresOf(ipconfig.pid, MEASURED_MS);
    stopped = true;
    await Promise.all([writing, polling]);
    report.print(
      `ipconfig, 10,000 instances reporting each second: ${answers} answers to a router, ${Math.round(bytes / Math.max(1, answers))} bytes each`,
    );
    return [{ name: "ipconfig with 10,000 instances reporting each second, cores", value: cores, limit: 0.5 }];
  } finally {
    stopped = true;
    await ipconfig.end("SIGTERM");
  }
}

async function exporterOfTwoThousand(store: Store, etcd: string): Promise<Gate[]> {
  const status = await serveStatus();
  const services = Array.from({ length: 20 }, (_, index) => `probed-${index}`);
  const ids = Array.from({ length: 100 }, (_, index) => `i-${index}`);
  await registerAll(store, services, ids, status.port);
  const child = spawn(process.execPath, [MAIN, "exporter", "--listen", ":0", "--etcd", etcd], { stdio: "ignore" });
  try {
    await waitFor(
      "all instances to be reported",
      async () => {
        const { items } = await store.list(`${store.keys.statuses()}probed-`);
        return (
          items.length === services.length && items.every(({ value }) => value.split('"state":"up","cpu"').length > 90)
        );
      },
      60_000,
    );
    const cores = await coresOf(child.pid!, MEASURED_MS);
    return [{ name: "exporter with 2,000 instances, cores", value: cores, limit: 1 }];
  } finally {
    await end(child);
    status.stop();
  }
}

async function registerAll(
  store: Store,
  services: string[],
  ids: string[],
  statusPort: number | undefined,
): Promise<void> {
  for (const service of services) {
    const operations = ids.map((id, index): Operation => {
      const metadata = statusPort === undefined ? {} : { statusPort: String(statusPort) };
      const value = { id, name: id, address: "127.0.0.1", port: index + 1, weight: 100, metadata };
      return { put: store.keys.instance(service, id), value: JSON.stringify(value) };
    });
    await store.commit([{ key: store.keys.instance(service, "none"), modRevision: 0 }], operations);
  }
}

async function putStatuses(store: Store, services: string[], ids: string[]): Promise<void> {
  const sample = (): Sample => ({
    state: "up",
    cpu: 0.3 + Math.random() * 0.2,
    memory: 0.4,
    requestsPerSecond: 100,
    errorsPerSecond: 0,
    latencyMs: 10 + Math.random() * 10,
    inFlight: 3,
  });
  for (let first = 0; first < services.length; first += 50) {
    const operations = services.slice(first, first + 50).map((service): Operation => {
      const samples = new Map(ids.map((id) => [id, sample()]));
      return {
        put: store.keys.status(service, "bench"),
        value: encodeStatus({ at: Date.now(), intervalMs: 1000, samples }),
      };
    });
    await store.commit([{ key: store.keys.exporter("none"), modRevision: 0 }], operations);
  }
}

/** CPU time of a process over a while, as a part of that while. */
async function coresOf(pid: number, milliseconds: number): Promise<number> {
  const [before, started] = [await cpuMicroseconds(pid), performance.now()];
  await delay(milliseconds);
  return ((await cpuMicroseconds(pid)) - before) / 1000 / (performance.now() - started);
}

async function end(child: ChildProcess): Promise<void> {
  child.kill("SIGTERM");
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}
