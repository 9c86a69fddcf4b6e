import type { Command } from "commander";
import { present, type ReadOptions } from "../output/present.ts";
import {
  type Connection,
  describeChanges,
  finishWrite,
  useStore,
  type WriteOptions,
  withRead,
  withWrite,
} from "./options.ts";
import { collectMetadata, parseWeight, parseWhole } from "./parse.ts";

interface RegisterOptions extends WriteOptions {
  readonly id: string;
  readonly address?: string;
  readonly port?: number;
  readonly weight?: number;
  readonly name?: string;
  readonly metadata?: Record<string, string>;
}

export function registerService(program: Command): void {
  const service = program
    .command("service")
    .description("services and their instances, as registered")
    .addHelpText("after", "\nExample:\n  $ routectl service list -o wide");

  withRead(service.command("list").description("all services"))
    .addHelpText("after", "\nExample:\n  $ routectl service list")
    .action(async (options: ReadOptions, command: Command) => {
      const connection = command.optsWithGlobals<Connection>();
      const { policyOf, readCatalog, serviceNames } = await import("../store/catalog.ts");
      const { renderTable } = await import("../output/table.ts");
      await present(
        options,
        async () => {
          const catalog = await useStore(connection, (store) => readCatalog(store));
          return serviceNames(catalog).map((name) => {
            const found = catalog.services.get(name)!;
            const { algorithm } = policyOf(found);
            return { service: name, algorithm, instances: found.instances.size, overrides: found.overrides.size };
          });
        },
        (services) =>
          renderTable(
            ["SERVICE", "ALGORITHM", "INSTANCES", "MANUAL WEIGHTS"],
            services.map((item) => [item.service, item.algorithm, item.instances, item.overrides]),
          ),
      );
    });

  withRead(service.command("get <service>").description("one service and its instances"))
    .addHelpText("after", "\nExample:\n  $ routectl service get demo -o yaml")
    .action(async (name: string, options: ReadOptions, command: Command) => {
      const connection = command.optsWithGlobals<Connection>();
      const { policyOf, readCatalogOf } = await import("../store/catalog.ts");
      const { requireService } = await import("../store/lookup.ts");
      const { renderTable } = await import("../output/table.ts");
      await present(
        options,
        async () => {
          const found = requireService(await useStore(connection, (store) => readCatalogOf(store, name)), name);
          const instances = [...found.instances.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
          return { service: name, policy: policyOf(found), instances };
        },
        ({ instances }) =>
          renderTable(
            ["ID", "NAME", "ADDRESS", "PORT", "WEIGHT", "METADATA"],
            instances.map(({ id, name: display, address, port, weight, metadata }) => {
              const pairs = Object.entries(metadata).map(([key, value]) => `${key}=${value}`);
              return [id, display, address, port, weight, pairs.join(" ")];
            }),
          ),
      );
    });

  withWrite(service.command("register <service>").description("add an instance, or change one; makes the service"))
    .requiredOption("--id <id>", "the instance's id")
    .option("--address <address>", "an IP address or a DNS name")
    .option("--port <port>", "its port", parseWhole(1, 65535))
    .option("--weight <weight>", "its base weight, 0 to 1000 (default: 100)", parseWeight)
    .option("--name <text>", "a name for people (default: the id)")
    .option("--metadata <key=value>", "may be given several times; KEY= takes the key away", collectMetadata)
    .addHelpText(
      "after",
      `
Of an instance that is there, what is not given keeps its value: metadata, too, key by key.

Example:
  $ routectl service register orders --id orders-1 --address 10.0.0.7 --port 8080`,
    )
    .action(async (name: string, options: RegisterOptions, command: Command) => {
      const { registerInstance } = await import("../store/registration.ts");
      const { id, address, port, weight, metadata, name: display } = options;
      const outcome = await useStore(command.optsWithGlobals<Connection>(), (store) =>
        registerInstance(
          store,
          name,
          { id, address, port, weight, metadata, name: display },
          { by: options.by, reason: options.reason, dryRun: options.dryRun === true },
        ),
      );
      await finishWrite(command, [outcome], describeChanges);
    });

  withWrite(service.command("deregister <service> <id>").description("take an instance off a service"))
    .addHelpText("after", "\nExample:\n  $ routectl service deregister orders orders-1 --reason 'scaled in'")
    .action(async (name: string, id: string, options: WriteOptions, command: Command) => {
      const { deregisterInstance } = await import("../store/registration.ts");
      const outcome = await useStore(command.optsWithGlobals<Connection>(), (store) =>
        deregisterInstance(store, name, id, {
          by: options.by,
          reason: options.reason,
          dryRun: options.dryRun === true,
        }),
      );
      await finishWrite(command, [outcome], describeChanges);
    });
}
