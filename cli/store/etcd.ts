import { Etcd3, type IOptions } from "etcd3";
import { EXIT, RoutectlError, unreachable } from "../errors.ts";
import { faultHandling } from "./fault-handling.ts";
import { DEFAULT_PREFIX, type Keys, keysUnder } from "./keys.ts";
import { withoutUser } from "./without-user.ts";

/** A key and its value, as it stands in etcd at some revision. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly modRevision: number;
  /** The lease that ends it; `"0"` for none. */
  readonly lease: string;
}

/** What a key must be for a transaction to go through: its newest revision, 0 for "not there". */
export interface Expectation {
  readonly key: string;
  readonly modRevision: number;
}

export type Operation =
  | { readonly put: string; readonly value: string; readonly lease?: string }
  | { readonly delete: string };

export type Change =
  | { readonly type: "put"; readonly item: KeyValue }
  | { readonly type: "delete"; readonly key: string; readonly modRevision: number };

export interface WatchHandler {
  /** All that one etcd transaction changed comes in one call, in order. */
  onChanges(changes: readonly Change[], revision: number): void;
  /** The watch is lost, and with it maybe changes: list again. Called once. */
  onLost(reason: string): void;
}

/** etcd, behind the few calls that we need. Every call throws a RoutectlError when etcd does not answer in time. */
export interface Store {
  readonly keys: Keys;
  /** As they may be printed. */
  readonly urls: string;
  get(key: string): Promise<{ item: KeyValue | undefined; revision: number }>;
  /** All keys under a prefix, as of one revision; without those under another prefix, where one is named. */
  list(prefix: string, without?: string): Promise<{ items: KeyValue[]; revision: number }>;
  /** The newest revision among the keys under a prefix, as of a revision or of now; 0 when there are none. */
  newestRevision(prefix: string, asOf?: number): Promise<number>;
  /** Whether this was written in the life of etcd's data that goes on now; undefined when that is compacted away. */
  hasWritten(item: KeyValue): Promise<boolean | undefined>;
  /** The first keys under a prefix, and how many there are. */
  firstKeys(prefix: string, limit: number): Promise<{ keys: string[]; count: number }>;
  /** Carries out all operations if every expectation holds, else none. */
  commit(
    expectations: readonly Expectation[],
    operations: readonly Operation[],
  ): Promise<{ succeeded: boolean; revision: number }>;
  /** @returns the id of a lease that ends after `ttlSeconds` */
  grantLease(ttlSeconds: number): Promise<string>;
  /** A lease that is kept alive until it is stopped. `onLost` is called once when etcd has let it end. */
  keepLease(ttlSeconds: number, onLost: () => void): Promise<{ id: string; stop(): Promise<void> }>;
  watch(prefix: string, fromRevision: number, handler: WatchHandler): { close(): void };
  close(): void;
}

export interface StoreOptions {
  /** URLs, separated by commas. */
  readonly urls: string;
  readonly prefix?: string;
  readonly username?: string;
  readonly password?: string;
  readonly callTimeoutMs?: number;
}

/** Under etcd's limit of 128 operations, and of 128 comparisons, in a transaction. */
export const MAX_OPERATIONS = 100;

/** All attempts of a call together. */
const DEFAULT_CALL_TIMEOUT_MS = 1400;
/** Within this time a member takes up a watch, or it is begun anew. */
const WATCH_PATIENCE_MS = 2000;
const PAGE_SIZE = 2000;

/** How etcd's client is set up; a call asks each of the hosts at least once before its time is over. */
export function clientOptions(options: StoreOptions): IOptions {
  const callTimeoutMs = options.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS;
  const hosts = options.urls.split(",");
  const config: IOptions = {
    hosts,
    faultHandling: faultHandling(hosts.length, callTimeoutMs),
    defaultCallOptions: (context) => (context.isStream ? {} : { deadline: Date.now() + callTimeoutMs }),
    // Answers may be larger than the 4 MiB that gRPC allows by default; a dead connection shows within seconds.
    grpcOptions: {
      "grpc.max_receive_message_length": -1,
      "grpc.keepalive_time_ms": 5000,
      "grpc.keepalive_timeout_ms": 2000,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1000,
    },
  };
  if (options.username !== undefined && options.password !== undefined) {
    config.auth = { username: options.username, password: options.password };
  }
  return config;
}

export function openStore(options: StoreOptions): Store {
  const config = clientOptions(options);
  const client = new Etcd3(config);
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw translateError(error, options.urls);
    }
  };

  return {
    keys: keysUnder(options.prefix ?? DEFAULT_PREFIX),
    urls: withoutUser(options.urls),
    get: (key) =>
      call(async () => {
        const response = await client.get(key).exec();
        const [found] = response.kvs;
        return {
          item: found === undefined ? undefined : toKeyValue(found),
          revision: Number(response.header.revision),
        };
      }),
    list: (prefix, without) => call(() => listRanges(client, rangesOf(prefix, without))),
    newestRevision: (prefix, asOf = 0) =>
      call(async () => {
        const response = await client.kv.range({
          ...{ key: Buffer.from(prefix), range_end: prefixEnd(prefix), revision: asOf },
          ...{ sort_target: "Mod", sort_order: "Descend", limit: 1, keys_only: true },
        });
        const [newest] = response.kvs;
        return newest === undefined ? 0 : Number(newest.mod_revision);
      }),
    hasWritten: ({ key, value, modRevision }) =>
      call(async () => {
        try {
          const { kvs } = await client.kv.range({ key: Buffer.from(key), revision: modRevision });
          const [found] = kvs.map(toKeyValue);
          return found?.modRevision === modRevision && found.value === value;
        } catch (error) {
          const { message } = error as Error;
          if (/required revision has been compacted/.test(message)) return undefined;
          if (/required revision is a future revision/.test(message)) return false;
          throw error;
        }
      }),
    firstKeys: (prefix, limit) =>
      call(async () => {
        const response = await client.getAll().prefix(prefix).sort("Key", "Ascend").limit(limit).exec();
        return { keys: response.kvs.map((raw) => raw.key.toString("utf8")), count: Number(response.count) };
      }),
    commit: (expectations, operations) =>
      call(async () => {
        const [first, ...rest] = expectations;
        if (first === undefined) throw new Error("a transaction needs at least one expectation");
        const comparison = client.if(first.key, "Mod", "==", first.modRevision);
        for (const { key, modRevision } of rest) comparison.and(key, "Mod", "==", modRevision);
        const steps = operations.map((operation) =>
          "put" in operation
            ? client
                .put(operation.put)
                .value(operation.value)
                .lease(operation.lease ?? "0")
            : client.delete().key(operation.delete),
        );
        const result = await comparison.then(...steps).commit();
        return { succeeded: result.succeeded, revision: Number(result.header.revision) };
      }),
    grantLease: (ttlSeconds) =>
      call(async () => {
        const response = await client.leaseClient.leaseGrant({ TTL: ttlSeconds, ID: 0 });
        return String(response.ID);
      }),
    keepLease: (ttlSeconds, onLost) =>
      call(async () => {
        const lease = client.lease(ttlSeconds);
        const id = await lease.grant();
        lease.once("lost", onLost);
        return {
          id,
          stop: async () => {
            lease.removeAllListeners("lost");
            await lease.revoke();
          },
        };
      }),
    watch: (prefix, fromRevision, handler) => startWatch(options, prefix, fromRevision, handler),
    close: () => client.close(),
  };
}

interface RawKeyValue {
  key: Buffer;
  value: Buffer;
  mod_revision: string;
  lease: string;
}

function toKeyValue(raw: RawKeyValue): KeyValue {
  return {
    key: raw.key.toString("utf8"),
    value: raw.value.toString("utf8"),
    modRevision: Number(raw.mod_revision),
    lease: String(raw.lease),
  };
}

interface Range {
  readonly start: Buffer;
  readonly end: Buffer;
}

/** The keys under a prefix, but for those under another one within it. */
function rangesOf(prefix: string, without: string | undefined): Range[] {
  const whole = { start: Buffer.from(prefix), end: prefixEnd(prefix) };
  if (without === undefined) return [whole];
  return [
    { start: whole.start, end: Buffer.from(without) },
    { start: prefixEnd(without), end: whole.end },
  ];
}

/** All is read at the revision of the first page, so that together it is one consistent picture. */
async function listRanges(client: Etcd3, ranges: readonly Range[]): Promise<{ items: KeyValue[]; revision: number }> {
  const items: KeyValue[] = [];
  let revision = 0;
  for (const { start: first, end } of ranges) {
    let start: Buffer | undefined = first;
    while (start !== undefined) {
      const request = client.getAll().inRange({ start, end }).limit(PAGE_SIZE).sort("Key", "Ascend");
      const response = await (revision === 0 ? request : request.revision(revision)).exec();
      if (revision === 0) revision = Number(response.header.revision);
      for (const raw of response.kvs) items.push(toKeyValue(raw));
      const last = response.kvs.at(-1);
      start = response.more && last !== undefined ? Buffer.concat([last.key, Buffer.from([0])]) : undefined;
    }
  }
  return { items, revision };
}

function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1] = end[end.length - 1]! + 1;
  return end;
}

/**
 * Every watch has a connection of its own. etcd3 puts those of a client on one stream, where one that a member does not take
 * up would keep the next one waiting, too; and it closes the whole connection with the last watch, leases included.
 */
function startWatch(
  options: StoreOptions,
  prefix: string,
  fromRevision: number,
  handler: WatchHandler,
): { close(): void } {
  const client = new Etcd3(clientOptions(options));
  let isOver = false;
  const finish = (reason: string | undefined): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(patience);
    void watcher.cancel().catch(() => undefined);
    client.close();
    if (reason !== undefined) handler.onLost(withoutUser(reason));
  };
  const patience = setTimeout(() => finish(`no watch within ${WATCH_PATIENCE_MS} ms`), WATCH_PATIENCE_MS);
  const watcher = client.watch().prefix(prefix).startRevision(String(fromRevision)).watcher();
  watcher.on("connected", () => clearTimeout(patience));
  watcher.on("data", (response) => {
    if (isOver || response.events.length === 0) return;
    const changes = response.events.map((event): Change => {
      const item = toKeyValue(event.kv as RawKeyValue);
      return event.type === "Delete"
        ? { type: "delete", key: item.key, modRevision: item.modRevision }
        : { type: "put", item };
    });
    handler.onChanges(changes, Number(response.header.revision));
  });
  watcher.on("end", () => finish("the watch ended"));
  watcher.on("error", (error) => finish(error.message));
  // etcd3 would go on by itself from the last revision that it saw; a fresh list is what can't miss anything.
  watcher.on("disconnected", () => finish("the connection was lost"));
  return { close: () => finish(undefined) };
}

/** What etcd's client throws, as an error that says which etcd and what to do. */
export function translateError(error: unknown, givenUrls: string): Error {
  if (error instanceof RoutectlError) return error;
  const urls = withoutUser(givenUrls);
  const message = withoutUser(error instanceof Error ? error.message : String(error));
  if (/authentication is not enabled/i.test(message)) {
    return new RoutectlError(
      "etcd-not-authorised",
      EXIT.notAuthorised,
      `etcd at ${urls} refused: authentication is not enabled there; leave out ROUTECTL_ETCD_USER and ROUTECTL_ETCD_PASSWORD`,
      error,
    );
  }
  if (/permission denied|authentication|invalid auth|user name is empty|Unauthenticated/i.test(message)) {
    return new RoutectlError(
      "etcd-not-authorised",
      EXIT.notAuthorised,
      `etcd at ${urls} refused: ${message}; give ROUTECTL_ETCD_USER and ROUTECTL_ETCD_PASSWORD`,
      error,
    );
  }
  if (/required revision has been compacted/.test(message)) {
    return new RoutectlError("etcd-compacted", EXIT.conflict, "etcd has compacted that revision: try again", error);
  }
  // Of two limits, gRPC's is told of in other words.
  if (/etcdserver: request is too large|received message larger than max/.test(message)) {
    return new RoutectlError(
      "etcd-refused",
      EXIT.error,
      `etcd at ${urls} refused: the request is larger than its --max-request-bytes`,
      error,
    );
  }
  if (/^\d+ (?!UNAVAILABLE|DEADLINE_EXCEEDED|CANCELLED)\w+: etcdserver: /.test(message)) {
    return new RoutectlError("etcd-refused", EXIT.error, `etcd at ${urls} refused: ${message}`, error);
  }
  return unreachable(
    "etcd-unreachable",
    `etcd at ${urls} does not answer (${shorten(message)}): start it, or name another one with --etcd URL`,
    error,
  );
}

/** gRPC tells the same thing several times over, and of its own state; the last error in it is the one that says something. */
function shorten(message: string): string {
  const [line] = message.split("\n");
  const late = /DEADLINE_EXCEEDED: Deadline exceeded after ([\d.]+)s/.exec(line!)?.[1];
  if (late !== undefined) return `no answer within ${Math.round(Number(late) * 1000)} ms`;
  return /Last error: (?:Error: )?(.*?)\.? Resolution note/.exec(line!)?.[1] ?? line!;
}
