import pino from "pino";
import { startReplica } from "../../cli/ipconfig/replica.ts";
import { openStore, type Store } from "../../cli/store/etcd.ts";
import type { ServiceList, Snapshot } from "../../lua/core/types.ts";

/** One ipconfig, inside the test's own process, on a free port. */
export interface TestReplica {
  readonly url: string;
  get(path: string, options?: RequestInit): Promise<Response>;
  /** What it answers at a path, as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever is there
  json(path: string): Promise<any>;
  /** What a router that polls gets. */
  poll(query?: PollQuery): Promise<{ status: number; etcd: string | null; snapshot: Snapshot | undefined }>;
  /** Reports as a router with one worker. @returns the status of the answer */
  report(router: string, position: { epoch: string; revision: number }, more?: object): Promise<number>;
  /** The list of a service; undefined where there is none. */
  service(name: string): Promise<ListedService | undefined>;
  /** The value of a sample of /metrics, named with its labels; undefined where there is none. */
  metric(sample: string): Promise<number | undefined>;
  /** What it has logged as a warning or worse. */
  readonly warnings: readonly string[];
  stop(): Promise<void>;
}

export interface PollQuery {
  readonly epoch?: string;
  readonly revision?: number | string;
  readonly waitMs?: number | string;
  /** The router's name. */
  readonly router?: string;
}

export type ListedService = ServiceList & {
  readonly service: string;
  readonly epoch: string;
  readonly revision: number;
};

const LEVEL_WARN = 40;

/**
 * @param etcdUrl where its etcd is
 * @param wrap puts something between the replica and etcd
 */
export async function startTestReplica(
  etcdUrl: string,
  { relistMs = 60_000, port = 0, wrap = (store: Store): Store => store } = {},
): Promise<TestReplica> {
  const warnings: string[] = [];
  const logger = pino(
    {},
    {
      write: (line: string) => {
        const { level, msg } = JSON.parse(line) as { level: number; msg: string };
        if (level >= LEVEL_WARN) warnings.push(msg);
      },
    },
  );
  const store = openStore({ urls: etcdUrl });
  const replica = await startReplica(wrap(store), { host: "127.0.0.1", port, relistMs }, logger);
  const get = (path: string, options: RequestInit = {}): Promise<Response> =>
    fetch(`${replica.url}${path}`, { signal: AbortSignal.timeout(20_000), ...options });

  return {
    url: replica.url,
    get,
    json: async (path) => (await get(path)).json(),
    poll: async (query = {}) => {
      const parameters = Object.entries(query).map(([name, value]): [string, string] => [name, `${value}`]);
      const response = await get(`/v1/snapshot?${new URLSearchParams(parameters)}`);
      const text = await response.text();
      return {
        status: response.status,
        etcd: response.headers.get("x-routectl-etcd"),
        snapshot: response.status === 200 ? (JSON.parse(text) as Snapshot) : undefined,
      };
    },
    report: async (router, position, more = {}) => {
      const workers = [{ worker: 0, pid: 1, epoch: position.epoch, revision: position.revision }];
      const body = JSON.stringify({ workerCount: 1, ipconfig: replica.url, workers, ...more });
      return (await get(`/v1/routers/${router}/ack`, { method: "POST", body })).status;
    },
    service: async (name) => {
      const response = await get(`/v1/services/${name}`);
      const body = await response.text();
      return response.status === 200 ? (JSON.parse(body) as ListedService) : undefined;
    },
    metric: async (sample) => {
      const text = await (await get("/metrics")).text();
      const line = text.split("\n").find((candidate) => candidate.startsWith(`${sample} `));
      return line === undefined ? undefined : Number(line.slice(sample.length + 1));
    },
    warnings,
    stop: async () => {
      await replica.stop();
      store.close();
    },
  };
}
