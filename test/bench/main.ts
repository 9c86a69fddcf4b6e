import { cpus, release, totalmem } from "node:os";
import { benchConvergence } from "./convergence.ts";
import { type Gate, printGates } from "./gate.ts";
import { benchPick } from "./pick.ts";
import { benchReporting } from "./reporting.ts";
import { benchRouter } from "./router.ts";
import { benchScale } from "./scale.ts";
import { benchScores } from "./scores.ts";
import { benchSlowInstance } from "./slow-instance.ts";

/** `npm run bench [NAME...]`: figures as they are on this machine, and whether the gates hold; exit 7 when one does not. */
const benches: Record<string, () => Promise<Gate[]>> = {
  pick: benchPick,
  router: benchRouter,
  "slow-instance": benchSlowInstance,
  convergence: benchConvergence,
  scale: benchScale,
  scores: benchScores,
  reporting: benchReporting,
};

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(benches);
const unknown = wanted.find((name) => benches[name] === undefined);
if (unknown !== undefined) {
  console.error(`there is no bench ${unknown}: choose among ${Object.keys(benches).join(", ")}`);
  process.exit(2);
}
console.log(
  `${cpus().length} cores (${cpus()[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.versions.node}\n`,
);
const gates: Gate[] = [];
for (const name of wanted) {
  console.log(`# ${name}`);
  gates.push(...(await benches[name]!()));
  console.log();
}
process.exit(printGates(gates) ? 0 : 7);
