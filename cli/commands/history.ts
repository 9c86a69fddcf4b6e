import type { Command } from "commander";
import { present, type ReadOptions } from "../output/present.ts";
import { formatTime } from "../output/times.ts";
import { type Connection, useStore, withRead } from "./options.ts";
import { parseWhole } from "./parse.ts";

export function registerHistory(program: Command): void {
  withRead(program.command("history <service>").description("who changed what, when and why; newest first"))
    .option("--limit <count>", "how many at most", parseWhole(1, 1000), 20)
    .addHelpText("after", "\nExample:\n  $ routectl history demo --limit 5")
    .action(async (service: string, options: ReadOptions & { limit: number }, command: Command) => {
      const connection = command.optsWithGlobals<Connection>();
      const { readHistory } = await import("../store/history.ts");
      const { requireName } = await import("../store/lookup.ts");
      const { renderTable } = await import("../output/table.ts");
      requireName("service", service);
      await present(
        options,
        () => useStore(connection, (store) => readHistory(store, service, options.limit)),
        (entries) =>
          renderTable(
            ["REVISION", "TIME", "BY", "ACTION", "DETAIL", "REASON"],
            entries.map(({ revision, at, by, action, detail, reason }) => [
              revision,
              formatTime(at),
              by,
              action,
              detail,
              reason,
            ]),
          ),
      );
    });
}
