import type { Command } from "commander";
import { type Connection, describeChanges, finishWrite, useStore, type WriteOptions, withWrite } from "./options.ts";
import { parseTtl } from "./parse.ts";

export function registerDrain(program: Command): void {
  withWrite(
    program.command("drain <service> <id>").description("send an instance no new requests; what it has goes on"),
  )
    .option("--ttl <time>", "end by itself after 30s, 10m, 2h, ...", parseTtl)
    .addHelpText("after", "\nExample:\n  $ routectl drain demo demo-2 --reason 'kernel update' --wait")
    .action(async (service: string, id: string, options: WriteOptions & { ttl?: number }, command: Command) => {
      const { setWeights } = await import("../store/overrides.ts");
      const outcome = await useStore(command.optsWithGlobals<Connection>(), (store) =>
        setWeights(store, service, {
          weights: new Map([[id, 0]]),
          ttlSeconds: options.ttl,
          action: "drain",
          by: options.by,
          reason: options.reason,
          dryRun: options.dryRun === true,
        }),
      );
      await finishWrite(command, [outcome], describeChanges);
    });
}

export function registerRestore(program: Command): void {
  withWrite(program.command("restore <service> <id>").description("undo drain: give the instance its weight back"))
    .addHelpText("after", "\nExample:\n  $ routectl restore demo demo-2 --wait")
    .action(async (service: string, id: string, options: WriteOptions, command: Command) => {
      const { clearWeights } = await import("../store/overrides.ts");
      const outcome = await useStore(command.optsWithGlobals<Connection>(), (store) =>
        clearWeights(store, service, {
          ids: [id],
          action: "restore",
          by: options.by,
          reason: options.reason,
          dryRun: options.dryRun === true,
        }),
      );
      await finishWrite(command, [outcome], (done) =>
        done.changes.length === 0
          ? `${service}: ${id} is not drained`
          : `${service}: restored ${done.changes.join(", ")}`,
      );
    });
}
