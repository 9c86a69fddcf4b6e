import { explain } from "../../lua/core/explain.ts";
import type { Policy } from "../../lua/core/types.ts";
import { RoutectlError, usageError } from "../errors.ts";
import { fetchServiceList, ipconfigAt } from "./ipconfig.ts";
import { fetchKnownService } from "./known-service.ts";
import { fetchExplanation, type RouterExplanation, routerAt } from "./router.ts";

/** How keys are routed, and the policy that it is by. */
export interface ExplainedKeys {
  readonly policy: Policy;
  readonly keys: readonly RouterExplanation[];
}

/** In a URL. nginx takes 8 KiB for the line with it, unless `large_client_header_buffers` says otherwise. */
const MAX_KEY_BYTES = 8000;

/**
 * Explains keys as a router decides them; where no router answers, by the same function from the list of ipconfig.
 * @param urls of routers and of ipconfigs, separated by commas
 * @throws a usage error for a key that is too long to be asked for
 */
export async function explainKeys(
  urls: { router: string; ipconfig: string },
  service: string,
  keys: readonly string[],
): Promise<ExplainedKeys> {
  for (const key of keys) {
    const bytes = encodeURIComponent(key).length;
    if (bytes > MAX_KEY_BYTES) {
      throw usageError(
        `a key of ${bytes} bytes, as it is written in a URL, can't be asked for: ${MAX_KEY_BYTES} at most`,
      );
    }
  }
  let policy: Policy;
  try {
    policy = (await fetchKnownService(urls.router, service)).policy;
  } catch (error) {
    if (!(error instanceof RoutectlError) || error.code !== "router-unreachable") throw error;
    return explainFromList(urls.ipconfig, service, keys, error);
  }
  const explained: RouterExplanation[] = [];
  for (const key of keys) explained.push(await fetchExplanation(routerAt(urls.router), service, key));
  return { policy, keys: explained };
}

async function explainFromList(
  ipconfig: string,
  service: string,
  keys: readonly string[],
  routerError: Error,
): Promise<ExplainedKeys> {
  const list = await fetchServiceList(ipconfigAt(ipconfig), service).catch(() => {
    throw routerError;
  });
  const situation = { mode: list.mode, nowMs: Date.now(), listAgeMs: 0 };
  const explained = keys.map((key) => {
    // lua/core takes a text's bytes, one a character.
    const { peer, rule, ...rest } = explain(list, situation, Buffer.from(key, "utf8").toString("latin1"));
    return { service, key, revision: list.revision, peer: peer ?? null, rule: rule ?? null, ...rest };
  });
  return { policy: list.policy, keys: explained };
}
