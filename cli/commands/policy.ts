import { type Command, Option } from "commander";
import { ALGORITHMS, type Algorithm } from "../../lua/core/types.ts";
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
import { parseWhole } from "./parse.ts";

interface PolicyOptions extends WriteOptions {
  readonly algorithm?: Algorithm;
  readonly hashOn?: string;
  readonly maxAttempts?: number;
  readonly top?: number;
  readonly statusPort?: number;
  readonly slowStartMs?: number;
}

export function registerPolicy(program: Command): void {
  const policy = program
    .command("policy")
    .description("how a service is balanced")
    .addHelpText("after", "\nExample:\n  $ routectl policy set demo --algorithm best");

  withRead(policy.command("get <service>").description("the policy in force"))
    .addHelpText("after", "\nExample:\n  $ routectl policy get demo -o yaml")
    .action(async (service: string, options: ReadOptions, command: Command) => {
      const connection = command.optsWithGlobals<Connection>();
      const { policyOf, readCatalog } = await import("../store/catalog.ts");
      const { requireService } = await import("../store/lookup.ts");
      const { renderTable } = await import("../output/table.ts");
      await present(
        options,
        async () => policyOf(requireService(await useStore(connection, (store) => readCatalog(store)), service)),
        (found) =>
          renderTable(
            ["FIELD", "VALUE"],
            Object.entries(found).map(([field, value]) => [
              field,
              typeof value === "object" ? JSON.stringify(value) : `${value}`,
            ]),
          ),
      );
    });

  withWrite(policy.command("set <service>").description("change the policy; what is not given stays"))
    .addOption(new Option("--algorithm <name>", "how a peer is picked").choices(ALGORITHMS))
    .option("--hash-on <source>", "what names the user: header:NAME, cookie:NAME, query:NAME, path, address or none")
    .option("--max-attempts <count>", "how many peers one request may try", parseWhole(1, 10))
    .option("--top <count>", "only the best so many get traffic by score", parseWhole(1, 20_000))
    .option("--status-port <port>", "where instances serve their status over gRPC", parseWhole(1, 65535))
    .option(
      "--slow-start-ms <milliseconds>",
      "how long a new instance takes to its whole weight",
      parseWhole(0, 3_600_000),
    )
    .addHelpText(
      "after",
      "\nExample:\n  $ routectl policy set demo --algorithm consistent-hash --hash-on header:x-user-id",
    )
    .action(async (service: string, options: PolicyOptions, command: Command) => {
      const { changePolicy } = await import("../store/registration.ts");
      const { algorithm, hashOn, maxAttempts, top, statusPort, slowStartMs } = options;
      const outcome = await useStore(command.optsWithGlobals<Connection>(), (store) =>
        changePolicy(
          store,
          service,
          { algorithm, hashOn, maxAttempts, top, statusPort, slowStartMs },
          { by: options.by, reason: options.reason, dryRun: options.dryRun === true },
        ),
      );
      await finishWrite(command, [outcome], describeChanges);
    });
}
