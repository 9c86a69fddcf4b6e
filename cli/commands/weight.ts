import type { Command } from "commander";
import { present, type ReadOptions } from "../output/present.ts";
import { formatDuration } from "../output/times.ts";
import {
  type Connection,
  describeChanges,
  finishWrite,
  useStore,
  type WriteOptions,
  withRead,
  withWrite,
} from "./options.ts";
import { parseAssignments, parseTtl } from "./parse.ts";

export function registerWeight(program: Command): void {
  const weight = program
    .command("weight")
    .description("manual weights: send traffic where you say, whatever the scores")
    .addHelpText("after", "\nExample:\n  $ routectl weight set demo demo-1=5 demo-2=95");

  withRead(weight.command("list [service]").description("the manual weights in force"))
    .addHelpText("after", "\nExample:\n  $ routectl weight list demo")
    .action(async (service: string | undefined, options: ReadOptions, command: Command) => {
      const connection = command.optsWithGlobals<Connection>();
      const { listOverrides } = await import("../store/overrides.ts");
      const { renderTable } = await import("../output/table.ts");
      await present(
        options,
        () => useStore(connection, (store) => listOverrides(store, service)),
        (overrides) =>
          renderTable(
            ["SERVICE", "ID", "WEIGHT", "BY", "REASON", "ENDS"],
            overrides.map(({ service: name, id, weight: value, by, reason, expiresAt }) => [
              name,
              id,
              value,
              by,
              reason,
              expiresAt === undefined ? "when cleared" : `in ${formatDuration(Math.max(0, expiresAt - Date.now()))}`,
            ]),
          ),
      );
    });

  withWrite(
    weight.command("set <service> <id=weight...>").description("give instances exactly these weights, 0 to 1000"),
  )
    .option("--ttl <time>", "end by itself after 30s, 10m, 2h, ...", parseTtl)
    .addHelpText("after", "\nExample:\n  $ routectl weight set demo demo-1=5 --ttl 10m --reason 'new disk' --wait")
    .action(async (service: string, texts: string[], options: WriteOptions & { ttl?: number }, command: Command) => {
      const weights = parseAssignments(texts);
      const { setWeights } = await import("../store/overrides.ts");
      const outcome = await useStore(command.optsWithGlobals<Connection>(), (store) =>
        setWeights(store, service, {
          weights,
          ttlSeconds: options.ttl,
          by: options.by,
          reason: options.reason,
          dryRun: options.dryRun === true,
        }),
      );
      await finishWrite(command, [outcome], describeChanges);
    });

  withWrite(weight.command("clear <service> [id...]").description("end manual weights: of these instances, or of all"))
    .addHelpText("after", "\nExample:\n  $ routectl weight clear demo demo-1")
    .action(async (service: string, ids: string[], options: WriteOptions, command: Command) => {
      const { clearWeights } = await import("../store/overrides.ts");
      const outcome = await useStore(command.optsWithGlobals<Connection>(), (store) =>
        clearWeights(store, service, {
          ids,
          by: options.by,
          reason: options.reason,
          dryRun: options.dryRun === true,
        }),
      );
      await finishWrite(command, [outcome], (done) =>
        done.changes.length === 0
          ? `${service}: no manual weight to clear`
          : `${service}: cleared ${done.changes.join(", ")}`,
      );
    });
}
