import type { Command } from "commander";
import { present, type ReadOptions } from "../output/present.ts";
import type { Cell } from "../output/table.ts";
import { formatDuration, formatMoment } from "../output/times.ts";
import type { Decision } from "../remote/decisions.ts";
import { type Connection, withRead } from "./options.ts";
import { parseWhole } from "./parse.ts";

interface DecisionsOptions extends ReadOptions {
  readonly requestId?: string;
  readonly limit: number;
}

export function registerDecisions(program: Command): void {
  withRead(
    program.command("decisions <service>").description("the last requests: which peer each attempt went to, and why"),
  )
    .option("--request-id <id>", "only those of this request")
    .option("--limit <count>", "how many at most", parseWhole(1, 1000), 20)
    .addHelpText(
      "after",
      `
Newest first, from every router that --router names; each of its workers keeps the last thousand. A request's id is
what the router's setting requestIdVariable names, else a number of the router's own; access logs have it as id=.

Example:
  $ routectl decisions demo --limit 5 -o wide`,
    )
    .action(async (service: string, options: DecisionsOptions, command: Command) => {
      const { fetchDecisions } = await import("../remote/decisions.ts");
      const { renderTable } = await import("../output/table.ts");
      const { router } = command.optsWithGlobals<Connection>();
      await present(
        options,
        (tellSilent) => fetchDecisions(router, service, options, tellSilent),
        (decisions, wide) => {
          const heads = ["TIME", "REQUEST", "ATTEMPT", "PEER", "STATUS", "TOOK", "REASON"];
          const more = ["ROUTER", "MODE", "RULE", "CANDIDATES"];
          return renderTable(
            wide ? [...heads, ...more] : heads,
            decisions.map((decision) => (wide ? [...cellsOf(decision), ...moreCellsOf(decision)] : cellsOf(decision))),
          );
        },
      );
    });
}

function cellsOf({ at, requestId, attempt, peer, status, tookMs, reason }: Decision): Cell[] {
  const took = tookMs === undefined ? "-" : formatDuration(tookMs);
  return [formatMoment(at), requestId, attempt, peer, statusCell(status, tookMs), took, reason];
}

function statusCell(status: number | undefined, tookMs: number | undefined): Cell {
  if (status === undefined) return tookMs === undefined ? { text: "under way", tone: "notable" } : "-";
  return { text: String(status), tone: status < 400 ? "good" : status < 500 ? "notable" : "bad" };
}

function moreCellsOf({ router, mode, panic, rule, candidates, candidateCount }: Decision): Cell[] {
  const texts = candidates.map(({ id, weight, cost, why }) => {
    const how = cost === undefined ? `weight ${weight}` : `cost ${Number(cost.toPrecision(3))}`;
    return `${id} ${how}${why === "not picked" ? "" : ` (${why})`}`;
  });
  if (candidateCount > candidates.length) texts.push(`${candidateCount - candidates.length} more`);
  return [router, panic ? `${mode}, panic` : mode, rule ?? "-", texts.join(", ")];
}
