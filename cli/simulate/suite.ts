import { CONTENDERS } from "./contenders.ts";
import type { Figures, ScenarioFigures } from "./figures.ts";
import { type Gate, type IdleResult, judge } from "./gates.ts";
import type { Job, runJobs } from "./jobs.ts";
import type { Settings } from "./settings.ts";

export interface SuiteResult {
  readonly scenarios: readonly ScenarioFigures[];
  /** Empty where the settings are not those that the gates are for. */
  readonly gates: readonly Gate[];
}

/** An idle service's shares are those of ten minutes: there is little traffic. */
const IDLE_SECONDS = 600;
const IDLE_LOAD = { first: 0.05, last: 0.05 };

/**
 * Runs every contender in some scenarios, and judges the gates.
 * @param isGated whether the settings are those that the gates are for
 * @param onScenario called with each scenario's result as it is known, in order
 */
export async function runSuite(
  settings: Settings,
  scenarios: readonly string[],
  isGated: boolean,
  run: typeof runJobs,
  onScenario: (result: ScenarioFigures) => void,
): Promise<SuiteResult> {
  const groups = scenarios.flatMap((scenario) => settings.routers.map((routers) => ({ scenario, routers })));
  const jobs = groups.flatMap(({ scenario, routers }) =>
    CONTENDERS.map(({ name }): Job => ({ scenario, contender: name, routers })),
  );
  const idle = isGated && scenarios.includes("equal") ? settings.routers.map(idleJob) : [];
  const figures = new Array<Figures | undefined>(jobs.length + idle.length);
  const results: ScenarioFigures[] = [];
  await run(settings, [...jobs, ...idle], (place, found) => {
    figures[place] = found;
    for (let group = results.length; group < groups.length; group = results.length) {
      const first = group * CONTENDERS.length;
      const ofGroup = figures.slice(first, first + CONTENDERS.length);
      if (ofGroup.includes(undefined)) break;
      const contenders = CONTENDERS.map(({ name }, i) => ({ name, ...ofGroup[i]! }));
      results.push({ ...groups[group]!, contenders });
      onScenario(results.at(-1)!);
    }
  });
  const idleResults = idle.map(({ routers }, i): IdleResult => ({ routers, figures: figures[jobs.length + i]! }));
  return { scenarios: results, gates: isGated ? judge(results, idleResults) : [] };
}

function idleJob(routers: number): Job {
  return { scenario: "equal", contender: "adaptive", routers, load: IDLE_LOAD, seconds: IDLE_SECONDS };
}
