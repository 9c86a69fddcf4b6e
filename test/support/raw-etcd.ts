/** A key as etcd itself has it. */
export interface RawKey {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly lease: string;
}

/** etcd's keys through its own JSON gateway, so that what is tested does not test itself. */
export interface RawEtcd {
  isHealthy(): Promise<boolean>;
  revision(): Promise<number>;
  /** The keys that begin with a text, in order; all of them for an empty text. */
  list(prefix?: string): Promise<RawKey[]>;
  /** @returns the revision */
  put(key: string, value: string): Promise<number>;
  putAll(entries: readonly (readonly [key: string, value: string])[]): Promise<void>;
  delete(key: string): Promise<number>;
  /** Deletes the keys that begin with a text, all of them for an empty text, at once. */
  deleteAll(prefix?: string): Promise<void>;
  /** Forgets everything that is older than the newest revision. */
  compact(): Promise<void>;
}

const TIMEOUT_MS = 5000;
const MOST_OPERATIONS = 128;

export function rawEtcd(url: string): RawEtcd {
  const ask = async (path: string, body: object): Promise<Answer> => {
    const response = await fetch(`${url}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`etcd answered ${response.status} to ${path}: ${await response.text()}`);
    return (await response.json()) as Answer;
  };
  const range = (prefix: string): object =>
    prefix === ""
      ? { key: encode("\0"), range_end: encode("\0") }
      : { key: encode(prefix), range_end: encode(`${prefix}\uffff`) };
  const revisionOf = ({ header }: Answer): number => Number(header.revision);
  const revision = async (): Promise<number> => revisionOf(await ask("kv/range", { key: encode("/") }));

  return {
    isHealthy: async () => {
      try {
        return (await fetch(`${url}/health`, { signal: AbortSignal.timeout(TIMEOUT_MS) })).ok;
      } catch {
        return false;
      }
    },
    revision,
    list: async (prefix = "") => {
      const { kvs } = await ask("kv/range", { ...range(prefix), sort_target: "KEY", sort_order: "ASCEND" });
      return (kvs ?? []).map((raw) => ({
        key: decode(raw.key),
        value: decode(raw.value ?? ""),
        createRevision: Number(raw.create_revision),
        modRevision: Number(raw.mod_revision),
        lease: raw.lease ?? "0",
      }));
    },
    put: async (key, value) => revisionOf(await ask("kv/put", { key: encode(key), value: encode(value) })),
    putAll: async (entries) => {
      for (let from = 0; from < entries.length; from += MOST_OPERATIONS) {
        const group = entries.slice(from, from + MOST_OPERATIONS);
        await ask("kv/txn", {
          success: group.map(([key, value]) => ({ request_put: { key: encode(key), value: encode(value) } })),
        });
      }
    },
    delete: async (key) => revisionOf(await ask("kv/deleterange", { key: encode(key) })),
    deleteAll: async (prefix = "") => {
      await ask("kv/deleterange", range(prefix));
    },
    compact: async () => {
      await ask("kv/compaction", { revision: await revision(), physical: true });
    },
  };
}

interface Answer {
  readonly header: { readonly revision: string };
  readonly kvs?: readonly {
    key: string;
    value?: string;
    create_revision: string;
    mod_revision: string;
    lease?: string;
  }[];
}

function encode(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

function decode(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8");
}
