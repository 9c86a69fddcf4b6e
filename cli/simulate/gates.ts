import type { Figures, ScenarioFigures } from "./figures.ts";

/** A figure that must not be above a limit. */
export interface Gate {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly holds: boolean;
}

/** What `adaptive` makes of equal servers that have little to do. */
export interface IdleResult {
  readonly routers: number;
  readonly figures: Figures;
}

type Quantile = "p50Ms" | "p99Ms" | "p999Ms";

interface Limit {
  readonly scenario: string;
  readonly quantile: Quantile;
  readonly limit: number;
}

/** How far `adaptive` may be from what nobody can do. */
const TO_ORACLE: readonly Limit[] = [
  { scenario: "equal", quantile: "p99Ms", limit: 1.15 },
  { scenario: "half-slow", quantile: "p99Ms", limit: 1.15 },
  { scenario: "slowdowns", quantile: "p99Ms", limit: 1.25 },
  { scenario: "one-slow", quantile: "p999Ms", limit: 1.2 },
];
/** The scenarios that have gates. */
export const GATED_SCENARIOS: readonly string[] = TO_ORACLE.map(({ scenario }) => scenario);

const TO_ROUND_ROBIN = 1.02;
const OFF_FAIR_WHEN_IDLE = 0.1;

const NAMES: Readonly<Record<Quantile, string>> = { p50Ms: "p50", p99Ms: "p99", p999Ms: "p99.9" };

/** The gates that can be judged by some results. */
export function judge(results: readonly ScenarioFigures[], idle: readonly IdleResult[]): Gate[] {
  const gates: Gate[] = [];
  const add = (name: string, value: number, limit: number) => gates.push({ name, value, limit, holds: value <= limit });
  for (const { scenario, routers, contenders } of results) {
    const figures = (name: string): Figures => contenders.find((contender) => contender.name === name)!;
    const adaptive = figures("adaptive");
    for (const { quantile, limit } of TO_ORACLE.filter((one) => one.scenario === scenario)) {
      const name = `${scenario}, ${routers} routers: ${NAMES[quantile]} of adaptive over the oracle's`;
      add(name, adaptive[quantile] / figures("oracle")[quantile], limit);
    }
    if (scenario !== "equal") continue;
    const roundRobin = figures("round-robin");
    const ratios = (Object.keys(NAMES) as Quantile[]).map((quantile) => adaptive[quantile] / roundRobin[quantile]);
    add(
      `equal, ${routers} routers: adaptive over round robin, the most of p50, p99 and p99.9`,
      Math.max(...ratios),
      TO_ROUND_ROBIN,
    );
  }
  for (const { routers, figures } of idle) {
    const off = Math.max(1 - figures.leastShare, figures.mostShare - 1);
    add(
      `equal at 5 % load for ten minutes, ${routers} routers: the share that is furthest from fair`,
      off,
      OFF_FAIR_WHEN_IDLE,
    );
  }
  return gates;
}
