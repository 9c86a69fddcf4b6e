import { describe, expect, it } from "vitest";
import { CONTENDERS } from "../../../cli/simulate/contenders.ts";
import type { Figures, ScenarioFigures } from "../../../cli/simulate/figures.ts";
import { judge } from "../../../cli/simulate/gates.ts";
import { runJobs } from "../../../cli/simulate/jobs.ts";
import { DEFAULT_SETTINGS } from "../../../cli/simulate/settings.ts";
import { runSuite } from "../../../cli/simulate/suite.ts";
import { scenarioTable } from "../../../cli/simulate/tables.ts";

const serviceTimes = { kind: "exponential", meanMs: 40 } as const;
const settings = { ...DEFAULT_SETTINGS, servers: 2, seconds: 2, routers: [1, 3], serviceTimes };

describe("a suite", () => {
  it("runs every contender in every scenario with every number of routers, and tells in order", async () => {
    const told: string[] = [];
    const { scenarios, gates } = await runSuite(settings, ["one-slow", "equal"], false, runJobs, (found) => {
      told.push(`${found.scenario} ${found.routers}`);
    });
    expect(told).toEqual(["one-slow 1", "one-slow 3", "equal 1", "equal 3"]);
    expect(scenarios.map(({ scenario, routers }) => `${scenario} ${routers}`)).toEqual(told);
    for (const { contenders } of scenarios) {
      expect(contenders.map(({ name }) => name)).toEqual(CONTENDERS.map(({ name }) => name));
    }
    expect(gates).toEqual([]);
  });

  it("does not depend on the order in which its simulations end", async () => {
    const backwards: typeof runJobs = async (given, jobs, onDone) => {
      const done: [number, Figures][] = [];
      await runJobs(given, jobs, (place, figures) => done.push([place, figures]));
      for (const [place, figures] of done.reverse()) onDone(place, figures);
    };
    const ignore = (): void => undefined;
    const forwards = await runSuite(settings, ["equal"], false, runJobs, ignore);
    expect(await runSuite(settings, ["equal"], false, backwards, ignore)).toEqual(forwards);
  });

  it("makes a row of each contender, with what there is of each figure", async () => {
    const { scenarios } = await runSuite(settings, ["one-slow"], false, runJobs, () => undefined);
    const { heads, rows } = scenarioTable(scenarios[0]!);
    expect(rows.map(([name]) => name)).toEqual(CONTENDERS.map(({ name }) => name));
    expect(rows.at(-1)![heads.findIndex((head) => head.trim() === "P99/ORACLE")]!.trim()).toBe("1.00");
  });
});

const figures = (fields: Partial<Figures>): Figures => ({
  requests: 1,
  p50Ms: 7,
  p99Ms: 46,
  p999Ms: 69,
  failed: 0,
  retries: 0,
  affectedShare: undefined,
  imbalance: 1,
  reactionMs: undefined,
  leastShare: 1,
  mostShare: 1,
  ...fields,
});

function resultOf(scenario: string, adaptive: Partial<Figures>): ScenarioFigures {
  const contenders = ["oracle", "round-robin"].map((name) => ({ name, ...figures({}) }));
  return { scenario, routers: 4, contenders: [...contenders, { name: "adaptive", ...figures(adaptive) }] };
}

describe("the gates", () => {
  const verdicts = (results: ScenarioFigures[], idle: Partial<Figures>[] = []): boolean[] =>
    judge(
      results,
      idle.map((fields) => ({ routers: 4, figures: figures(fields) })),
    ).map(({ holds }) => holds);

  it.each([
    ["half-slow", "p99Ms", 1.15, 46],
    ["slowdowns", "p99Ms", 1.25, 46],
    ["one-slow", "p999Ms", 1.2, 69],
  ] as const)("in %s %s of adaptive may be %d times the oracle's", (scenario, quantile, limit, oracleMs) => {
    expect(verdicts([resultOf(scenario, { [quantile]: oracleMs * (limit - 0.001) })])).toEqual([true]);
    expect(verdicts([resultOf(scenario, { [quantile]: oracleMs * (limit + 0.001) })])).toEqual([false]);
  });

  it("with equal servers no quantile may be above round robin's by more than a fiftieth", () => {
    expect(verdicts([resultOf("equal", {})])).toEqual([true, true]);
    expect(verdicts([resultOf("equal", { p50Ms: 7 * 1.03 })])).toEqual([true, false]);
    expect(verdicts([resultOf("equal", { p999Ms: 69 * 1.03 })])).toEqual([true, false]);
    expect(verdicts([resultOf("equal", { p99Ms: 46 * 1.2 })])).toEqual([false, false]);
  });

  it("an idle service's servers have equal shares, give or take a tenth", () => {
    expect(verdicts([], [{ leastShare: 0.91, mostShare: 1.09 }])).toEqual([true]);
    expect(verdicts([], [{ leastShare: 0.89, mostShare: 1.05 }])).toEqual([false]);
    expect(verdicts([], [{ leastShare: 0.95, mostShare: 1.11 }])).toEqual([false]);
  });

  it("nothing is judged of the other scenarios", () => {
    expect(verdicts([resultOf("restart", { p99Ms: 1000 })])).toEqual([]);
  });
});
