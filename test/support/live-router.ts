import type { ServerResponse } from "node:http";
import type { ServiceList } from "../../lua/core/types.ts";
import { type RouterSettings, startRouter, type TestRouter } from "./router.ts";
import { snapshot, startScriptedIpconfig } from "./scripted-ipconfig.ts";
import { waitFor } from "./wait.ts";

export type Lists = Readonly<Record<string, ServiceList>>;

/** A real nginx, whose lists the test changes as ipconfig does. */
export interface LiveRouter extends TestRouter {
  /** Publishes these lists instead of those before. @returns once every worker goes by them */
  publish(lists: Lists): Promise<void>;
  /** The same without waiting, for what the router is not to take. @returns the revision */
  offer(lists: Lists): number;
  /** The metrics as of now. */
  metrics(): Promise<Metrics>;
}

/** A router's metrics. Counters of requests come up to a second after them. */
export interface Metrics {
  /** The sum of all samples of a metric that have these labels. */
  sum(metric: string, labels?: Readonly<Record<string, string>>): number;
}

interface Status {
  readonly workerCount: number;
  readonly workers: readonly { readonly revision: number }[];
}

export async function startLiveRouter(
  lists: Lists,
  settings: Omit<RouterSettings, "ipconfig"> = {},
): Promise<LiveRouter> {
  const ipconfig = await startScriptedIpconfig();
  let [revision, current] = [1, lists];
  const held = new Set<ServerResponse>();
  const send = (response: ServerResponse): void => void response.end(JSON.stringify(snapshot(revision, current)));
  ipconfig.answerWith((response, query) => {
    if (query.get("revision") !== `${revision}`) return send(response);
    held.add(response);
    const timer = setTimeout(() => response.writeHead(304).end(), Number(query.get("waitMs")));
    response.on("close", () => {
      clearTimeout(timer);
      held.delete(response);
    });
  });
  const offer = (next: Lists): number => {
    revision++;
    current = next;
    for (const response of held) send(response);
    return revision;
  };

  let router: TestRouter | undefined;
  const close = async (): Promise<void> => {
    await router?.close();
    await ipconfig.close();
  };
  try {
    const started = await startRouter({ ...settings, ipconfig: ipconfig.url });
    router = started;
    const untilApplied = (wanted: number): Promise<number> =>
      waitFor(`revision ${wanted} in every worker`, async () => {
        const { workerCount, workers } = await started.read<Status>("/v1/status");
        return workers.length === workerCount && workers.every((worker) => worker.revision >= wanted);
      });
    await untilApplied(1);
    return {
      ...started,
      close,
      offer,
      publish: async (next) => void (await untilApplied(offer(next))),
      metrics: async () => parseMetrics(await (await fetch(`${started.admin}/metrics`)).text()),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function parseMetrics(page: string): Metrics {
  const samples = [...page.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)];
  return {
    sum: (metric, labels = {}) => {
      const wanted = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
      return samples.reduce((sum, [, name, text, value]) => {
        const has = (text ?? "").split(",");
        return name === `routectl_${metric}` && wanted.every((label) => has.includes(label))
          ? sum + Number(value)
          : sum;
      }, 0);
    },
  };
}
