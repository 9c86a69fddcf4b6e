import { formatPercent } from "../../lua/core/text.ts";
import type { ScenarioFigures } from "./figures.ts";
import { type Settings, serviceTimesOf } from "./settings.ts";
import type { WhatIf } from "./what-if.ts";

/** What is printed, as heads and rows. */
export interface Table {
  readonly heads: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Heads and figures end where the longest one ends; the first column is for names. */
function alignRight({ heads, rows }: Table): Table {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]!.length)));
  const align = (cells: readonly string[]): string[] =>
    cells.map((cell, column) => (column === 0 ? cell : cell.padStart(widths[column]!)));
  return { heads: align(heads), rows: rows.map(align) };
}

export function scenarioTable({ contenders }: ScenarioFigures): Table {
  const oracle = contenders.find(({ name }) => name === "oracle")!;
  return alignRight({
    heads: ["ALGORITHM", "P50 MS", "P99 MS", "P99.9 MS", "P99/ORACLE", "SHARE", "MAX/MEAN", "REACTION", "ERRORS"],
    rows: contenders.map((contender) => [
      contender.name,
      ...[contender.p50Ms, contender.p99Ms, contender.p999Ms].map(formatTime),
      formatRatio(contender.p99Ms / oracle.p99Ms),
      contender.affectedShare === undefined ? "-" : contender.affectedShare.toFixed(3),
      contender.imbalance.toFixed(2),
      formatReaction(contender.reactionMs),
      `${(contender.failed * 100).toFixed(2)} %`,
    ]),
  });
}

/** Beyond, requests come faster than they are served, and how long they wait depends on how long it is simulated. */
const MOST_MS = 60_000;
const MOST_RATIO = 100;

function formatTime(milliseconds: number): string {
  if (Number.isNaN(milliseconds)) return "-";
  if (milliseconds > MOST_MS) return `> ${MOST_MS}`;
  return milliseconds < 1000 ? milliseconds.toFixed(1) : milliseconds.toFixed(0);
}

function formatRatio(ratio: number): string {
  return ratio > MOST_RATIO ? `> ${MOST_RATIO}` : ratio.toFixed(2);
}

function formatReaction(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return "-";
  return milliseconds === Number.POSITIVE_INFINITY ? "never" : `${milliseconds.toFixed(0)} ms`;
}

/** Each instance before and after. Its load is what it is sent, in relation to what it can serve. */
export function sharesTable({ before, after }: WhatIf, { load }: Settings): Table {
  const serving = before.peers.filter(({ share }) => share > 0).length;
  const formatLoad = (share: number): string => formatPercent(share * serving * load.last);
  return alignRight({
    heads: ["ID", "WEIGHT", "THEN", "SHARE", "THEN", "LOAD", "THEN"],
    rows: before.peers.map(({ id, weight, share }) => {
      const then = after.peers.find((peer) => peer.id === id)!;
      const shares = [formatPercent(share), formatPercent(then.share)];
      return [id, `${weight}`, `${then.weight}`, ...shares, formatLoad(share), formatLoad(then.share)];
    }),
  });
}

export function predictionTable({ predictions }: WhatIf): Table {
  const quantiles = ["p50Ms", "p99Ms", "p999Ms"] as const;
  return alignRight({
    heads: ["ROUTERS", ...["P50 MS", "P99 MS", "P99.9 MS"].flatMap((head) => [head, "THEN"])],
    rows: predictions.map(({ routers, before, after }) => [
      `${routers}`,
      ...quantiles.flatMap((quantile) => [formatTime(before[quantile]), formatTime(after[quantile])]),
    ]),
  });
}

/** The lines above the tables: what changes, whom it moves, and what the prediction supposes. */
export function describeWhatIf(
  { service, hasScores, before, after, users, usersMoved }: WhatIf,
  { slots, load, serviceTimes }: Settings,
): { readonly change: string; readonly moved: string; readonly supposed: string } {
  const changed = (was: string, is: string): string => (was === is ? is : `${was}, then ${is}`);
  const mode = changed(before.mode, after.mode);
  const moved =
    usersMoved === undefined
      ? "users have no instance of their own: nobody moves"
      : `users moved: ${usersMoved} of ${users} (${formatPercent(usersMoved / users)})`;
  const mean = serviceTimesOf(serviceTimes).meanMs;
  const loads = load.first === load.last ? `${load.last}` : `${load.first} to ${load.last}`;
  return {
    change: `${service}: mode ${mode}, algorithm ${changed(before.algorithm, after.algorithm)} (nothing is written)${hasScores ? "" : "; no ipconfig tells scores: all instances count as equally good"}`,
    moved,
    supposed: `response times, if the instances are alike: ${slots} slots, ${serviceTimes.kind} times of ${Number(mean.toFixed(3))} ms, load ${loads} now`,
  };
}
