import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { EXIT } from "../errors.ts";
import { write } from "../output/present.ts";
import { readManifest } from "./manifest.ts";
import { type Connection, listenOption, storeOptions } from "./options.ts";
import { type HostPort, parseWhole } from "./parse.ts";

interface UpCommandOptions {
  readonly listen: HostPort;
  readonly adminListen: HostPort;
  readonly ipconfigListen: HostPort;
  readonly etcdListen: HostPort;
  readonly stateDir: string;
  readonly workers: number;
  readonly demo: boolean;
  readonly filename?: string;
}

export function registerUp(program: Command): void {
  const stateHome = process.env.XDG_STATE_HOME ?? join(homedir(), ".local/state");
  program
    .command("up")
    .description("the whole stack on this machine: etcd, ipconfig, nginx and three demo instances; Ctrl-C ends it")
    .addOption(listenOption("--listen", "the router", 8080))
    .addOption(listenOption("--admin-listen", "its admin API", 9145))
    .addOption(listenOption("--ipconfig-listen", "ipconfig", 9146))
    .addOption(listenOption("--etcd-listen", "etcd", 2379))
    .option("--state-dir <directory>", "where everything is kept", join(stateHome, "routectl"))
    .option("--workers <count>", "nginx workers", parseWhole(1, 256), 2)
    .option("--no-demo", "without the demo service and its instances")
    .option("-f, --filename <file>", "services to apply; - reads standard input")
    .addHelpText(
      "after",
      "\nWith --etcd URL that etcd is used, and none is started.\n\nExample:\n  $ routectl up --listen 127.0.0.1:8000",
    )
    .action(async (options: UpCommandOptions, command: Command) => {
      const connection = command.optsWithGlobals<Connection>();
      const { parseManifest } = await import("../store/manifest.ts");
      const { startStack } = await import("../stack/up.ts");
      const manifest =
        options.filename === undefined
          ? undefined
          : parseManifest(await readManifest(options.filename), options.filename);

      const interrupted = new AbortController();
      const ended = new Promise<NodeJS.Signals>((done) => {
        for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
          process.on(name, () => {
            interrupted.abort();
            done(name);
          });
        }
      });
      const stack = await startStack(
        {
          ...options,
          stateDirectory: resolve(options.stateDir),
          // Only the flag counts: a production etcd in the environment must not get the demo.
          etcd: command.parent?.getOptionValueSource("etcd") === "cli" ? storeOptions(connection) : undefined,
          prefix: connection.prefix,
          manifest,
        },
        (name, text) => process.stderr.write(`${name.padEnd(8)} | ${text}\n`),
        interrupted.signal,
      ).catch((error: unknown) => {
        if (interrupted.signal.aborted) return undefined;
        throw error;
      });
      if (stack !== undefined) {
        write(stack.readyLine);
        await ended;
        await stack.stop();
      }
      process.exit((await ended) === "SIGINT" ? EXIT.interrupted : EXIT.ok);
    });
}
