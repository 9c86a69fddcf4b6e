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
import { fieldsOf, withPolicyFlags } from "./policy-flags.ts";

export function registerPolicy(program: Command): void {
  const policy = program
    .command("policy")
    .description("how a service is balanced")
    .addHelpText("after", "\nExample:\n  $ routectl policy set demo --algorithm best");

  withRead(policy.command("get <service>").description("the policy in force"))
    .addHelpText("after", "\nExample:\n  $ routectl policy get demo -o yaml")
    .action(async (service: string, options: ReadOptions, command: Command) => {
      const connection = command.optsWithGlobals<Connection>();
      const { policyOf, readCatalogOf } = await import("../store/catalog.ts");
      const { requireService } = await import("../store/lookup.ts");
      const { policyFields } = await import("../store/policy-text.ts");
      const { renderTable } = await import("../output/table.ts");
      await present(
        options,
        async () =>
          policyOf(requireService(await useStore(connection, (store) => readCatalogOf(store, service)), service)),
        (found) => renderTable(["FIELD", "VALUE"], policyFields(found)),
      );
    });

  const set = policy.command("set <service>").description("change the policy; what is not given stays, none removes");
  withWrite(withPolicyFlags(set))
    .addHelpText(
      "after",
      `
In brackets is what holds where the policy says nothing; none as a value makes it hold again.

Example:
  $ routectl policy set demo --algorithm consistent-hash --hash-on header:x-user-id
  $ routectl policy set demo --per-try-timeout 2s --limit key=address,rate=100,burst=20`,
    )
    .action(async (service: string, options: WriteOptions, command: Command) => {
      const { changePolicy, withFields } = await import("../store/policy.ts");
      const fields = fieldsOf({ ...options });
      const outcome = await useStore(command.optsWithGlobals<Connection>(), (store) =>
        changePolicy(store, service, (before) => withFields(before, fields), {
          action: "policy set",
          by: options.by,
          reason: options.reason,
          dryRun: options.dryRun === true,
        }),
      );
      await finishWrite(command, [outcome], describeChanges);
    });
}
