import type { Command } from "commander";
import type { Policy } from "../../lua/core/types.ts";
import { present, type ReadOptions } from "../output/present.ts";
import type { RouterExplanation } from "../remote/router.ts";
import { type Connection, withRead } from "./options.ts";

export function registerExplain(program: Command): void {
  withRead(program.command("explain <service>").description("which peer a key goes to, and why not the others"))
    .requiredOption("--key <key...>", "what names the user; several give a list")
    .addHelpText("after", "\nExample:\n  $ routectl explain demo --key user-17")
    .action(async (service: string, options: ReadOptions & { key: string[] }, command: Command) => {
      const { explainKeys } = await import("../remote/explain-keys.ts");
      const { formatRule } = await import("../store/policy-text.ts");
      const { printable, renderTable } = await import("../output/table.ts");
      const { router, ipconfig } = command.optsWithGlobals<Connection>();
      let policy: Policy | undefined;
      const describeRule = (number: number): string => {
        const rule = policy?.rules?.[number - 1];
        return rule === undefined ? `rule ${number}` : `rule ${number}: ${formatRule(rule)}`;
      };
      await present(
        options,
        async () => {
          const explained = await explainKeys({ router, ipconfig }, service, options.key);
          policy = explained.policy;
          return explained.keys.length === 1 ? explained.keys[0]! : explained.keys;
        },
        (found) => {
          const all = Array.isArray(found) ? found : [found];
          if (all.length > 1) {
            return renderTable(
              ["KEY", "PEER", "THEN", "RULE"],
              all.map((item) => [item.key, peerOf(item), item.order.slice(1).join(" "), item.rule ?? "-"]),
            );
          }
          const [one] = all as [RouterExplanation];
          const rows = one.candidates.map(({ id, weight, eligible, reason }) => [
            id,
            weight,
            eligible ? { text: "yes", tone: "good" as const } : { text: "no", tone: "notable" as const },
            reason,
          ]);
          const by = [`mode ${one.mode}`, `algorithm ${one.algorithm}`];
          if (one.rule !== null) by.push(describeRule(one.rule));
          const head = `${one.service}: key ${one.key} goes to ${peerOf(one)} (${by.join(", ")})`;
          return `${printable(head)}\n${renderTable(["ID", "WEIGHT", "ELIGIBLE", "REASON"], rows)}`;
        },
      );
    });
}

function peerOf({ peer, order, algorithm }: RouterExplanation): string {
  if (peer !== null) return peer;
  return order.length === 0 ? "no instance" : algorithm === "round-robin" ? "the next in turn" : "one drawn by weight";
}
