import type { Command } from "commander";
import { formatPercent } from "../../lua/core/text.ts";
import { present, type ReadOptions } from "../output/present.ts";
import { formatDuration } from "../output/times.ts";
import type { RouterService } from "../remote/router.ts";
import { type Connection, withRead } from "./options.ts";

export function registerPeers(program: Command): void {
  withRead(program.command("peers <service>").description("what a router really uses: weights, shares, states"))
    .addHelpText("after", "\nExample:\n  $ routectl peers demo -w")
    .action(async (service: string, options: ReadOptions, command: Command) => {
      const { fetchKnownService } = await import("../remote/known-service.ts");
      const { renderTable } = await import("../output/table.ts");
      const { router } = command.optsWithGlobals<Connection>();
      await present(
        options,
        async () => {
          const { policy: _, ...found } = await fetchKnownService(router, service);
          return found;
        },
        (found, wide) => {
          const heads = ["ID", "ADDRESS", "BASE", "SCORE", "WEIGHT", "SHARE", "STATE", "OVERRIDE"];
          const rows = found.peers.map((peer) => [
            peer.id,
            `${peer.address.includes(":") ? `[${peer.address}]` : peer.address}:${peer.port}`,
            peer.baseWeight,
            peer.score,
            peer.weight,
            formatPercent(peer.share),
            { text: peer.state, tone: peer.state === "up" ? ("good" as const) : ("notable" as const) },
            describeOverride(peer.override),
            ...(wide ? [peer.inFlight, describeMetadata(peer.metadata)] : []),
          ]);
          return `${describeService(found)}\n${renderTable(wide ? [...heads, "IN FLIGHT", "METADATA"] : heads, rows)}`;
        },
      );
    });
}

function describeService(found: Omit<RouterService, "policy">): string {
  const { service, mode, algorithm, revision, listAgeMs, panic } = found;
  const age = listAgeMs === null ? "unknown" : formatDuration(listAgeMs);
  const head = `${service}: mode ${mode}, algorithm ${algorithm}, revision ${revision}, list heard of ${age} ago`;
  return panic ? `${head}, panic: too many instances fail, so all of them get requests` : head;
}

function describeOverride(override: RouterService["peers"][number]["override"]): string {
  if (override === null) return "-";
  const reason = override.reason === "" ? "" : ` (${override.reason})`;
  const ends =
    override.expiresAt === null ? "" : `, ends in ${formatDuration(Math.max(0, override.expiresAt - Date.now()))}`;
  return `${override.weight} by ${override.by}${reason}${ends}`;
}

function describeMetadata(metadata: Record<string, string>): string {
  return Object.entries(metadata)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}
