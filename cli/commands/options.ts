import { hostname, userInfo } from "node:os";
import { type Command, Option } from "commander";
import { RoutectlError } from "../errors.ts";
import { FORMATS, type Format, warn, write } from "../output/present.ts";
import { printable } from "../output/table.ts";
import { ipconfigAt } from "../remote/ipconfig.ts";
import type { Outcome } from "../store/change.ts";
import type { Store } from "../store/etcd.ts";
import { type HostPort, parseHostPort, parseNote, parseTimeout } from "./parse.ts";

/** Where the parts are; options of the program, so every command has them. */
export interface Connection {
  readonly etcd?: string;
  readonly ipconfig: string;
  readonly router: string;
  readonly prefix?: string;
  readonly debug?: boolean;
}

export interface WriteOptions {
  readonly reason: string;
  readonly by: string;
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  /** Milliseconds; not given: `DEFAULT_WAIT_MS`. */
  readonly timeout?: number;
  readonly output: Format;
}

/** How long to wait for routers to apply what was written. */
export const DEFAULT_WAIT_MS = 10_000;

export const DEFAULT_ETCD = "http://127.0.0.1:2379";

export function withConnection(program: Command): Command {
  return program
    .addOption(new Option("--etcd <urls>", `etcd (default: ${DEFAULT_ETCD})`).env("ROUTECTL_ETCD"))
    .addOption(new Option("--ipconfig <urls>", "ipconfig").env("ROUTECTL_IPCONFIG").default("http://127.0.0.1:9146"))
    .addOption(
      new Option("--router <urls>", "routers' admin APIs").env("ROUTECTL_ROUTER").default("http://127.0.0.1:9145"),
    )
    .addOption(new Option("--prefix <prefix>", "prefix of the keys in etcd").env("ROUTECTL_PREFIX").hideHelp())
    .option("--debug", "show where an error came from");
}

/** Where a part serves: on loopback, unless told otherwise. */
export function listenOption(flag: string, description: string, port: number): Option {
  const host = "127.0.0.1";
  return new Option(`${flag} <host:port>`, description)
    .argParser(parseHostPort)
    .default({ host, port } satisfies HostPort, `${host}:${port}`);
}

export function withRead(command: Command): Command {
  return command
    .addOption(new Option("-o, --output <format>", "how to print it").choices(FORMATS).default("table"))
    .option("-w, --watch", "print it again every second");
}

export function withWrite(command: Command, waits = "how long --wait waits (default: 10s)"): Command {
  return command
    .option("--reason <text>", "why, for the history", parseNote, "")
    .addOption(
      new Option("--by <name>", "who, for the history")
        .env("ROUTECTL_BY")
        .default(defaultAuthor(), "you@this-host")
        .argParser(parseNote),
    )
    .option("--dry-run", "say what would change, and change nothing")
    .option("--wait", "return when every worker of every live router applies it")
    .option("--timeout <time>", waits, parseTimeout)
    .addOption(new Option("-o, --output <format>", "how to print it").choices(FORMATS).default("table"));
}

function defaultAuthor(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return `uid-${process.getuid?.() ?? 0}@${hostname()}`;
  }
}

/** Counted from Node's start, which takes a few tenths of a second, and more on a busy machine. */
const COMMAND_DEADLINE_MS = 1100;
const LEAST_CALL_TIMEOUT_MS = 600;

/** Opens etcd for one piece of work. etcd's client is loaded only by commands that need it. */
export async function useStore<T>(connection: Connection, work: (store: Store) => Promise<T>): Promise<T> {
  const { openStore } = await import("../store/etcd.ts");
  const store = openStore(commandStoreOptions(connection));
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

/** For a command that someone waits for: he knows within two seconds that etcd does not answer, Node's start included. */
export function commandStoreOptions(connection: Connection) {
  const callTimeoutMs = Math.max(LEAST_CALL_TIMEOUT_MS, COMMAND_DEADLINE_MS - Math.round(performance.now()));
  return { ...storeOptions(connection), callTimeoutMs };
}

export function storeOptions(connection: Connection) {
  const { ROUTECTL_ETCD_USER: username, ROUTECTL_ETCD_PASSWORD: password } = process.env;
  return {
    urls: connection.etcd ?? DEFAULT_ETCD,
    ...(connection.prefix === undefined ? {} : { prefix: connection.prefix.replace(/\/+$/, "") }),
    ...(username === undefined || password === undefined ? {} : { username, password }),
  };
}

/**
 * Prints what a write has done, after it is applied everywhere when that was asked for.
 * @param found what else the one document of `-o json` and `-o yaml` says
 */
export async function finishWrite(
  command: Command,
  outcomes: readonly Outcome[],
  describe: (outcome: Outcome) => string,
  found: object = {},
): Promise<void> {
  const options = command.optsWithGlobals<WriteOptions & Connection>();
  const revision = Math.max(0, ...outcomes.map((outcome) => outcome.revision ?? 0));
  const structured = options.output === "json" || options.output === "yaml";
  if (structured) {
    const value = outcomes.map(({ service, changes, revision: at }) => {
      return { ...found, service, changes, revision: at ?? null };
    });
    const { formatAs } = await import("../output/present.ts");
    write(await formatAs(options.output, value.length === 1 ? value[0] : value, () => ""));
  } else {
    for (const outcome of outcomes) {
      const dry = options.dryRun === true ? " (dry run: nothing was written)" : "";
      const lines = describe(outcome).split("\n").map(printable);
      write(`${lines.join("\n")}${dry}`);
    }
  }
  if (options.wait !== true || revision === 0) return;
  const timeoutMs = options.timeout ?? DEFAULT_WAIT_MS;
  const { waitForWritten } = await import("../remote/newest.ts");
  const ipconfig = ipconfigAt(options.ipconfig);
  await useStore(options, (store) => waitForWritten(store, ipconfig, revision, timeoutMs, warn)).catch(
    (error: unknown) => {
      if (!(error instanceof RoutectlError)) throw error;
      throw new RoutectlError(
        error.code,
        error.exitCode,
        `revision ${revision} is written, but ${error.message}`,
        error,
      );
    },
  );
  if (!structured) write(`revision ${revision} is applied by every worker of every live router`);
}

/** One line a change, or that there was none. */
export function describeChanges(outcome: Outcome): string {
  if (outcome.changes.length === 0) return `${outcome.service}: ${outcome.note ?? "nothing to change"}`;
  return outcome.changes.map((change) => `${outcome.service}: ${change}`).join("\n");
}
