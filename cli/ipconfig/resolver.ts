import { lookup } from "node:dns/promises";
import { isIpLiteral } from "../../lua/core/address.ts";
import type { Catalog } from "../store/catalog.ts";
import type { Store } from "../store/etcd.ts";

/**
 * Resolves the instances' DNS names. The address that a name stands for is kept in etcd, so that all ipconfigs publish the
 * same list; it changes only when DNS does not answer with it any more.
 */
export function startResolver(
  store: Store,
  catalog: () => Catalog,
  onFailure: (host: string, error: Error) => void,
  intervalMs: number,
): { resolveNew(): void; stop(): void } {
  const underWay = new Set<string>();

  const hostsInUse = (): Set<string> => {
    const hosts = new Set<string>();
    for (const service of catalog().services.values()) {
      for (const { address } of service.instances.values()) if (!isIpLiteral(address)) hosts.add(address);
    }
    return hosts;
  };

  const resolve = async (host: string): Promise<void> => {
    if (underWay.has(host)) return;
    underWay.add(host);
    try {
      const answers = await lookup(host, { all: true, verbatim: true });
      const addresses = answers
        .map((answer) => answer.address)
        .filter(isIpLiteral)
        .sort();
      const known = catalog().resolved.get(host);
      const [first] = addresses;
      if (first === undefined || (known !== undefined && addresses.includes(known))) return;
      const key = store.keys.resolved(host);
      await store.commit(
        [{ key, modRevision: catalog().revisionOf(key) }],
        [{ put: key, value: JSON.stringify({ address: first, at: Date.now() }) }],
      );
    } catch (error) {
      onFailure(host, error as Error);
    } finally {
      underWay.delete(host);
    }
  };

  const timer = setInterval(() => {
    const inUse = hostsInUse();
    for (const host of inUse) void resolve(host);
    for (const host of catalog().resolved.keys()) if (!inUse.has(host)) void forget(host);
  }, intervalMs);

  const forget = async (host: string): Promise<void> => {
    const key = store.keys.resolved(host);
    await store
      .commit([{ key, modRevision: catalog().revisionOf(key) }], [{ delete: key }])
      .catch((error: Error) => onFailure(host, error));
  };

  return {
    resolveNew: () => {
      for (const host of hostsInUse()) if (!catalog().resolved.has(host)) void resolve(host);
    },
    stop: () => clearInterval(timer),
  };
}
