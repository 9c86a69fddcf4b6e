import type { Policy, ServiceList } from "../../lua/core/types.ts";
import { type RouterSettings, startRouter, type TestRouter } from "./router.ts";
import { peer, serviceList, snapshot, startScriptedIpconfig } from "./scripted-ipconfig.ts";
import { waitFor } from "./wait.ts";

/** A service by the ports of its instances, whose ids are `a`, `b`, `c` and so on. */
export interface RoutedService {
  readonly ports: readonly number[];
  readonly policy?: Policy;
}

/** A real nginx that routes the given services, once it does. */
export async function startRouterOf(
  services: Readonly<Record<string, RoutedService>>,
  settings: Omit<RouterSettings, "ipconfig"> = {},
): Promise<TestRouter> {
  const ipconfig = await startScriptedIpconfig();
  const list = snapshot(1, Object.fromEntries(Object.entries(services).map(([name, one]) => [name, listOf(one)])));
  ipconfig.answerWith((response, query) => {
    if (query.get("revision") === null) {
      response.end(JSON.stringify(list));
      return;
    }
    const timer = setTimeout(() => response.writeHead(304).end(), Number(query.get("waitMs")));
    response.on("close", () => clearTimeout(timer));
  });
  let router: TestRouter | undefined;
  const close = async (): Promise<void> => {
    await router?.close();
    await ipconfig.close();
  };
  try {
    const started = await startRouter({ ...settings, ipconfig: ipconfig.url });
    router = started;
    await waitFor("the lists", async () => (await started.read<{ revision: number }>("/v1/status")).revision === 1);
    return { ...started, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function listOf({ ports, policy }: RoutedService): ServiceList {
  const peers = ports.map((port, index) => peer(String.fromCharCode("a".charCodeAt(0) + index), { port }));
  return serviceList(peers, policy === undefined ? {} : { policy });
}
