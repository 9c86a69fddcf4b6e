import { openStore, type Store } from "../../cli/store/etcd.ts";
import { clearWeights, setWeights } from "../../cli/store/overrides.ts";
import { deregisterInstance, type InstanceInput, registerInstance } from "../../cli/store/registration.ts";

const AUTHOR = { by: "tester", reason: "a test", dryRun: false };

/** What operators and instances write, without a process for each. */
export interface Writes {
  readonly store: Store;
  register(service: string, instance: Partial<InstanceInput> & { readonly id: string }): Promise<number>;
  deregister(service: string, id: string): Promise<number>;
  setWeight(service: string, id: string, weight: number): Promise<number>;
  clearWeights(service: string): Promise<number>;
  close(): void;
}

export function writesTo(etcdUrl: string): Writes {
  const store = openStore({ urls: etcdUrl });
  const revisionOf = (outcome: { readonly revision: number | undefined }): number => {
    if (outcome.revision === undefined) throw new Error("nothing was written");
    return outcome.revision;
  };
  return {
    store,
    register: async (service, instance) =>
      revisionOf(await registerInstance(store, service, { address: "10.0.0.1", port: 8080, ...instance }, AUTHOR)),
    deregister: async (service, id) => revisionOf(await deregisterInstance(store, service, id, AUTHOR)),
    setWeight: async (service, id, weight) => {
      const request = { ...AUTHOR, weights: new Map([[id, weight]]), ttlSeconds: undefined };
      return revisionOf(await setWeights(store, service, request));
    },
    clearWeights: async (service) => revisionOf(await clearWeights(store, service, { ...AUTHOR, ids: [] })),
    close: () => store.close(),
  };
}
