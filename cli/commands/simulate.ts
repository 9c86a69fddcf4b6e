import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { EXIT, RoutectlError, usageError } from "../errors.ts";
import { write } from "../output/present.ts";
import type { Gate } from "../simulate/gates.ts";
import type { ServiceTimesSetting, Settings } from "../simulate/settings.ts";
import type { Table } from "../simulate/tables.ts";
import { type Connection, useStore } from "./options.ts";
import { parseAssignments, parseDuration, parseWhole } from "./parse.ts";

interface SimulateOptions {
  readonly scenario?: readonly string[];
  readonly routers?: readonly number[];
  readonly servers?: number;
  readonly slots?: number;
  readonly load?: Settings["load"];
  readonly seed?: number;
  readonly seconds?: number;
  readonly serviceTimes?: string;
  readonly scoreLag?: number;
  readonly set?: readonly string[];
  readonly output: "table" | "json";
}

const HELP = `
Without a service: every algorithm, next to what else there is and an oracle that knows all, in a simulated cluster;
gates are judged where all but the scenarios and the seed is as it is by default: it exits with 7 when one falls short.
Scenarios: equal, half-slow, slowdowns, one-slow, one-failing, one-refusing, restart, scale-out, late-scores.
SHARE is what the servers to which something happens are sent, in relation to their weight's part; MAX/MEAN how much more
there is under way at the busiest server than on average; REACTION the time after which such a server's share is below 0.3,
over as many requests as bring it 60 by weight.

With a service: what --set would do to it as it is routed now: shares, how many of 10,000 users would move, and response
times, if its instances are alike and have the slots, load and service times that are given. Nothing is written.

Example:
  $ routectl simulate --scenario one-slow --routers 8 --load 0.9
  $ routectl simulate demo --set demo-1=10 --service-times measured.txt`;

export function registerSimulate(program: Command): void {
  program
    .command("simulate [service]")
    .description("balancing in a simulated cluster, or what other weights would do to a service")
    .option("--set <id=weight...>", "manual weights to try, 0 to 1000; needs a service")
    .option("--scenario <names>", "only these, separated by commas", parseNames)
    .option("--routers <counts>", "router workers, several separated by commas (default: 4,32)", parseCounts)
    .option("--servers <count>", "default: 20", parseWhole(2, 10_000))
    .option("--slots <count>", "requests that a server serves at the same time (default: 4)", parseWhole(1, 1000))
    .option(
      "--load <part>",
      "of the servers' capacity, also as a range that it goes through (default: 0.7-0.8)",
      parseLoad,
    )
    .option("--seconds <count>", "simulated time, after 10 s of warm-up (default: 120)", parseWhole(1, 100_000))
    .option(
      "--service-times <what>",
      "exponential or lognormal, also as lognormal:25 with a mean in ms (default: exponential:10), or a file of milliseconds, one a line",
    )
    .option(
      "--score-lag <time>",
      "weights follow the servers' scores, this much later (default: 3s in late-scores, else they do not)",
      parseDuration,
    )
    .option("--seed <number>", "another one gives other chances (default: 1)", parseWhole(0, 2 ** 31))
    .addOption(new Option("-o, --output <format>", "how to print it").choices(["table", "json"]).default("table"))
    .addHelpText("after", HELP)
    .action(async (service: string | undefined, options: SimulateOptions, command: Command) => {
      const settings = await settingsOf(options);
      if (service === undefined) {
        if (options.set !== undefined) throw usageError("--set changes the weights of a service: name it");
        return simulateScenarios(settings, options);
      }
      if ([options.scenario, options.servers, options.scoreLag].some((option) => option !== undefined)) {
        throw usageError("--scenario, --servers and --score-lag are not for a service: leave them out");
      }
      if (options.set === undefined) throw usageError("say what to try: --set ID=WEIGHT, such as --set demo-1=10");
      return simulateService(service, parseAssignments(options.set), settings, options, command.optsWithGlobals());
    });
}

async function simulateScenarios(settings: Settings, options: SimulateOptions): Promise<void> {
  const { SCENARIOS, scenarioOf } = await import("../simulate/scenarios.ts");
  const { runJobsInThreads } = await import("../simulate/jobs.ts");
  const { runSuite } = await import("../simulate/suite.ts");
  const { scenarioTable } = await import("../simulate/tables.ts");
  const { renderTable } = await import("../output/table.ts");
  const names = options.scenario ?? SCENARIOS.map(({ name }) => name);
  const described = new Map(names.map((name) => [name, scenarioOf(name).description]));
  const { routers, servers, slots, load, seconds, serviceTimes, scoreLag } = options;
  const ofGates = [routers, servers, slots, load, seconds, serviceTimes, scoreLag];
  const isGated = ofGates.every((option) => option === undefined);
  const result = await runSuite(settings, names, isGated, runJobsInThreads, (found) => {
    if (options.output === "json") return;
    const { heads, rows } = scenarioTable(found);
    write(
      `${found.scenario}: ${described.get(found.scenario)}; ${found.routers} routers\n${renderTable(heads, rows)}\n`,
    );
  });
  if (options.output === "json") write(JSON.stringify(result));
  else for (const gate of result.gates) write(formatGate(gate));
  if (result.gates.some(({ holds }) => !holds)) process.exitCode = EXIT.findings;
}

function formatGate({ name, value, limit, holds }: Gate): string {
  return `${(holds ? "holds" : "falls short").padEnd(11)}  ${name}: ${value.toFixed(3)} (at most ${limit})`;
}

async function simulateService(
  service: string,
  weights: ReadonlyMap<string, number>,
  settings: Settings,
  { output }: SimulateOptions,
  connection: Connection,
): Promise<void> {
  const { readServiceState } = await import("../simulate/service-state.ts");
  const { tryWeights } = await import("../simulate/what-if.ts");
  const { describeWhatIf, predictionTable, sharesTable } = await import("../simulate/tables.ts");
  const { renderTable } = await import("../output/table.ts");
  const state = await useStore(connection, (store) => readServiceState(service, weights, store, connection.ipconfig));
  const found = tryWeights(state, weights, settings, Date.now());
  if (output === "json") return write(JSON.stringify(found));
  const show = ({ heads, rows }: Table): string => renderTable(heads, rows);
  const { change, moved, supposed } = describeWhatIf(found, settings);
  write([change, show(sharesTable(found, settings)), moved, supposed, show(predictionTable(found))].join("\n"));
}

async function settingsOf(options: SimulateOptions): Promise<Settings> {
  const { DEFAULT_SETTINGS: byDefault } = await import("../simulate/settings.ts");
  return {
    servers: options.servers ?? byDefault.servers,
    slots: options.slots ?? byDefault.slots,
    load: options.load ?? byDefault.load,
    seconds: options.seconds ?? byDefault.seconds,
    seed: options.seed ?? byDefault.seed,
    routers: options.routers ?? byDefault.routers,
    serviceTimes: options.serviceTimes === undefined ? byDefault.serviceTimes : await readTimes(options.serviceTimes),
    scoreLagMs: options.scoreLag,
  };
}

async function readTimes(text: string): Promise<ServiceTimesSetting> {
  const [, kind, mean] = /^(exponential|lognormal)(?::(\d{1,6}(?:\.\d{1,3})?))?$/.exec(text) ?? [];
  if (kind !== undefined) {
    if (Number(mean) === 0) throw usageError("the mean of --service-times must be above 0");
    return { kind: kind as "exponential" | "lognormal", meanMs: Number(mean ?? 10) };
  }
  const { parseRecorded } = await import("../simulate/settings.ts");
  const recorded = await readFile(text, "utf8").catch((error: Error) => {
    throw new RoutectlError("file", EXIT.error, `can't read ${text}: ${error.message}`, error);
  });
  return parseRecorded(recorded, text);
}

function parseNames(text: string): string[] {
  return text.split(",").map((name) => name.trim());
}

function parseCounts(text: string): number[] {
  return text.split(",").map(parseWhole(1, 1000));
}

const MOST_LOAD = 2;

function parseLoad(text: string): Settings["load"] {
  const [, first, last = first] = /^(\d(?:\.\d{1,4})?)(?:-(\d(?:\.\d{1,4})?))?$/.exec(text) ?? [];
  const load = { first: Number(first), last: Number(last) };
  const isLoad = (part: number): boolean => part > 0 && part <= MOST_LOAD;
  if (!isLoad(load.first) || !isLoad(load.last)) {
    throw new InvalidArgumentError("Give a part of the capacity such as 0.75, or a range such as 0.7-0.8; at most 2.");
  }
  return load;
}
