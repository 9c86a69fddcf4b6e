import { benchConvergence } from "./convergence.ts";
import { describeGates, type Gate, holds } from "./gate.ts";
import { describeMachine } from "./machine.ts";
import { benchPick } from "./pick.ts";
import { createReport, type Report } from "./report.ts";
import { benchReporting } from "./reporting.ts";
import { keepResults, type Part } from "./results.ts";
import { benchRouter } from "./router.ts";
import { benchScale } from "./scale.ts";
import { benchScores } from "./scores.ts";
import { benchSimulation } from "./simulation.ts";
import { benchSlowInstance } from "./slow-instance.ts";

/**
 * `npm run bench [-- NAME... --results]`: figures as they are on this machine, and whether the gates hold; exit 7 when one
 * does not. With `--results` they are kept in test/bench/RESULTS.md.
 */
const benches: Record<string, (report: Report) => Promise<Gate[]>> = {
  pick: benchPick,
  router: benchRouter,
  "slow-instance": benchSlowInstance,
  convergence: benchConvergence,
  scale: benchScale,
  scores: benchScores,
  simulation: benchSimulation,
  reporting: benchReporting,
};
const MOST_MINUTES = 15;

const args = process.argv.slice(2);
const names = args.filter((arg) => arg !== "--results");
const wanted = names.length > 0 ? names : Object.keys(benches);
const unknown = wanted.find((name) => benches[name] === undefined);
if (unknown !== undefined) {
  console.error(`there is no bench ${unknown}: choose among ${Object.keys(benches).join(", ")}`);
  process.exit(2);
}
const machine = describeMachine();
console.log(`${machine}\n`);
const gates: Gate[] = [];
const parts: Part[] = [];
for (const name of wanted) {
  console.log(`# ${name}`);
  const started = performance.now();
  const report = createReport();
  gates.push(...(await benches[name]!(report)));
  const seconds = (performance.now() - started) / 1000;
  parts.push({ name, seconds, report });
  console.log(`(${name}: ${seconds.toFixed(0)} s)\n`);
}
const minutes = parts.reduce((sum, { seconds }) => sum + seconds, 0) / 60;
if (names.length === 0) gates.push({ name: "all of the bench, minutes", value: minutes, limit: MOST_MINUTES });
const described = describeGates(gates);
console.log(described);
if (args.includes("--results")) {
  const command = ["npm run bench", ...(args.length > 0 ? ["--", ...args] : [])].join(" ");
  await keepResults({ command, machine, parts, gates: described });
}
process.exit(gates.every(holds) ? 0 : 7);
