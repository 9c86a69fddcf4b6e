import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Command } from "commander";
import { EXIT } from "../errors.ts";
import { type Connection, listenOption, storeOptions } from "./options.ts";
import { type HostPort, parseHostPort, parseWhole } from "./parse.ts";

/** The commands that run one part in the foreground. */

export function registerIpconfig(program: Command): void {
  program
    .command("ipconfig")
    .description("run the discovery service: watches etcd and serves the best lists")
    .addOption(listenOption("--listen", "where to serve", 9146))
    .option("--relist-ms <milliseconds>", "how often to list etcd anew", parseWhole(1000, 3_600_000), 30_000)
    .addHelpText("after", "\nExample:\n  $ routectl ipconfig --listen 127.0.0.1:9147 --etcd http://10.0.0.5:2379")
    .action(async (options: { listen: HostPort; relistMs: number }, command: Command) => {
      process.title = "routectl ipconfig";
      const { default: pino } = await import("pino");
      const { openStore } = await import("../store/etcd.ts");
      const { startReplica } = await import("../ipconfig/replica.ts");
      const logger = pino({ base: { part: "ipconfig" } }, pino.destination({ dest: 2, sync: true }));
      const store = openStore(storeOptions(command.optsWithGlobals<Connection>()));
      const replica = await startReplica(store, { ...options.listen, relistMs: options.relistMs }, logger).catch(
        (error) => {
          store.close();
          throw error;
        },
      );
      logger.info(`serving on ${replica.url}`);
      await endOfService();
      await replica.stop();
      store.close();
      // Names that are being looked up, and connections that are being made, would keep the process.
      process.exit(EXIT.ok);
    });
}

export function registerExporter(program: Command): void {
  program
    .command("exporter")
    .description("ask instances for their status over gRPC, and put it into etcd")
    .option("--id <id>", "its name among the exporters (default: made of the host's name)")
    .option("--interval-ms <milliseconds>", "how often", parseWhole(200, 60_000), 1000)
    .addOption(listenOption("--listen", "where to serve /metrics", 9147))
    .addHelpText("after", "\nExample:\n  $ routectl exporter --etcd http://10.0.0.5:2379")
    .action(async (options: { id?: string; intervalMs: number; listen: HostPort }, command: Command) => {
      process.title = "routectl exporter";
      const { default: pino } = await import("pino");
      const { openStore } = await import("../store/etcd.ts");
      const { requireName } = await import("../store/lookup.ts");
      const { startExporter } = await import("../exporter/exporter.ts");
      const { serveExporterMetrics } = await import("../exporter/server.ts");
      const id = requireName("exporter", options.id ?? defaultExporterId());
      const logger = pino({ base: { part: "exporter" } }, pino.destination({ dest: 2, sync: true }));
      const store = openStore(storeOptions(command.optsWithGlobals<Connection>()));
      const exporter = await startExporter(store, { id, intervalMs: options.intervalMs }, logger);
      const server = await serveExporterMetrics(exporter, options.listen.host, options.listen.port).catch(
        async (error) => {
          await exporter.stop();
          store.close();
          throw error;
        },
      );
      logger.info(`exporter ${id} serves its metrics on ${server.url}`);
      await endOfService();
      await exporter.stop();
      await server.close();
      store.close();
      // A connection that is being made to an instance that is gone would keep the process for minutes.
      process.exit(EXIT.ok);
    });
}

function defaultExporterId(): string {
  const host = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, "-")
    .replace(/^[^a-z0-9]+/, "");
  return `${host.slice(0, 48) || "exporter"}-${randomBytes(4).toString("hex")}`;
}

export function registerDemoInstance(program: Command): void {
  program
    .command("demo-instance", { hidden: true })
    .description("run one instance of the demo service")
    .requiredOption("--id <id>", "its id")
    .requiredOption("--listen <host:port>", "where to serve", parseHostPort)
    .option("--status-port <port>", "where to serve its status over gRPC; 0 picks a free one", parseWhole(0, 65535), 0)
    .addHelpText("after", "\nExample:\n  $ routectl demo-instance --id demo-1 --listen 127.0.0.1:9001")
    .action(async (options: { id: string; listen: HostPort; statusPort: number }) => {
      process.title = `routectl ${options.id}`;
      const { startDemoInstance } = await import("../stack/demo-instance.ts");
      const { host, port } = options.listen;
      const instance = await startDemoInstance(options.id, host, port, options.statusPort);
      await endOfService();
      await instance.stop();
    });
}

/** Resolves when the process is asked to end. */
function endOfService(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
}
