import type { Command } from "commander";
import { warn, write } from "../output/present.ts";
import { type Connection, DEFAULT_WAIT_MS, useStore } from "./options.ts";
import { parseTimeout, parseWhole } from "./parse.ts";

export function registerWait(program: Command): void {
  program
    .command("wait")
    .description("return when every worker of every live router applies what was written")
    .option(
      "--revision <revision>",
      "this revision (default: the newest in etcd)",
      parseWhole(1, Number.MAX_SAFE_INTEGER),
    )
    .option("--timeout <time>", "how long to wait (default: 10s)", parseTimeout)
    .addHelpText("after", "\nExample:\n  $ routectl wait --revision 42 --timeout 30s")
    .action(async (options: { revision?: number; timeout?: number }, command: Command) => {
      const connection = command.optsWithGlobals<Connection>();
      const { ipconfigAt, waitForRevision } = await import("../remote/ipconfig.ts");
      const { waitForNewest } = await import("../remote/newest.ts");
      const ipconfig = ipconfigAt(connection.ipconfig);
      const timeoutMs = options.timeout ?? DEFAULT_WAIT_MS;
      const { revision, routers } =
        options.revision === undefined
          ? await useStore(connection, (store) => waitForNewest(store, ipconfig, timeoutMs, warn))
          : { ...(await waitForRevision(ipconfig, options.revision, timeoutMs, warn)), revision: options.revision };
      write(`revision ${revision} is applied by ${routers.map(({ node }) => node).join(", ")}`);
    });
}
