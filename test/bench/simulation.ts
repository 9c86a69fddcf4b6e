import { renderTable } from "../../cli/output/table.ts";
import { GATED_SCENARIOS } from "../../cli/simulate/gates.ts";
import { runJobsInThreads } from "../../cli/simulate/jobs.ts";
import { DEFAULT_SETTINGS } from "../../cli/simulate/settings.ts";
import { runSuite } from "../../cli/simulate/suite.ts";
import { scenarioTable } from "../../cli/simulate/tables.ts";
import type { Gate } from "./gate.ts";
import type { Report } from "./report.ts";

/** How the algorithms balance in the simulator, in the scenarios that have gates. */
export async function benchSimulation(report: Report): Promise<Gate[]> {
  const { gates } = await runSuite(DEFAULT_SETTINGS, GATED_SCENARIOS, true, runJobsInThreads, (found) => {
    const { heads, rows } = scenarioTable(found);
    report.print(`${found.scenario}, ${found.routers} routers\n${renderTable(heads, rows)}\n`);
  });
  return [...gates];
}
