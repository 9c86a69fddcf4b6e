import type { Command } from "commander";
import { write } from "../output/present.ts";
import { type Connection, describeChanges, finishWrite, useStore, type WriteOptions, withWrite } from "./options.ts";
import { parseTtl } from "./parse.ts";

/** A stream may last for long, and an operator waits for it. */
const DEFAULT_IDLE_WAIT_MS = 300_000;

export function registerDrain(program: Command): void {
  withWrite(
    program.command("drain <service> <id>").description("send an instance no new requests; what it has goes on"),
    "how long --wait waits (default: 10s for the routers, then 5m for what is in flight)",
  )
    .option("--ttl <time>", "end by itself after 30s, 10m, 2h, ...", parseTtl)
    .addHelpText(
      "after",
      `
With --wait it returns when nothing is in flight at the instance any more, in any live router, streams included; it
exits with 8 when something is left after the time. Every router must be named with --router. Sessions that a cookie
pins (policy set --sticky-cookie) still go to a drained instance, and count.
A manual weight that is in force before comes back with restore, but not when --ttl ends the drain.

Example:
  $ routectl drain demo demo-2 --reason 'kernel update' --wait --timeout 10m`,
    )
    .action(async (service: string, id: string, options: WriteOptions & { ttl?: number }, command: Command) => {
      const startedAt = performance.now();
      const connection = command.optsWithGlobals<Connection>();
      const { drainInstance } = await import("../store/drain.ts");
      const outcome = await useStore(connection, (store) =>
        drainInstance(store, service, id, options.ttl, {
          by: options.by,
          reason: options.reason,
          dryRun: options.dryRun === true,
        }),
      );
      await finishWrite(command, [outcome], describeChanges);
      if (options.wait !== true || outcome.revision === undefined) return;
      const { timeout } = options;
      const leftMs = timeout === undefined ? DEFAULT_IDLE_WAIT_MS : timeout - (performance.now() - startedAt);
      const { waitUntilIdle } = await import("../remote/in-flight.ts");
      await waitUntilIdle(connection, service, id, leftMs, (left) => {
        process.stderr.write(`in flight at ${id}: ${left}\n`);
      });
      if (options.output === "table" || options.output === "wide") write(`nothing is in flight at ${id} any more`);
    });
}

export function registerRestore(program: Command): void {
  withWrite(program.command("restore <service> <id>").description("undo drain: give the instance its weight back"))
    .addHelpText(
      "after",
      `
A manual weight that was in force before the drain is in force again, unless its time is over. A manual weight other
than 0 is no drain: weight clear ends it.

Example:
  $ routectl restore demo demo-2 --wait`,
    )
    .action(async (service: string, id: string, options: WriteOptions, command: Command) => {
      const { restoreInstance } = await import("../store/drain.ts");
      const outcome = await useStore(command.optsWithGlobals<Connection>(), (store) =>
        restoreInstance(store, service, id, {
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
