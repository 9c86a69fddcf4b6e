#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { VERSION } from "../lua/core/version.ts";
import { registerCanary } from "./commands/canary.ts";
import { registerDecisions } from "./commands/decisions.ts";
import { registerDrain, registerRestore } from "./commands/drain.ts";
import { registerExplain } from "./commands/explain.ts";
import { registerHistory } from "./commands/history.ts";
import { registerApply, registerDump } from "./commands/manifest.ts";
import { withConnection } from "./commands/options.ts";
import { registerDemoInstance, registerExporter, registerIpconfig } from "./commands/parts.ts";
import { registerPeers } from "./commands/peers.ts";
import { registerPolicy } from "./commands/policy.ts";
import { registerScore } from "./commands/score.ts";
import { registerService } from "./commands/service.ts";
import { registerSimulate } from "./commands/simulate.ts";
import { registerStatus } from "./commands/status.ts";
import { registerUp } from "./commands/up.ts";
import { registerWait } from "./commands/wait.ts";
import { registerWeight } from "./commands/weight.ts";
import { EXIT, RoutectlError } from "./errors.ts";

const EXIT_CODES = `
Exit codes:
  0 ok · 1 error · 2 usage · 3 something unreachable · 4 not authorised · 5 conflict · 6 differences found
  7 findings · 8 not converged in time · 130 interrupted

Example:
  $ routectl weight set demo demo-1=5 --ttl 10m --reason 'new disk' --wait`;

function createProgram(): Command {
  const program = new Command("routectl")
    .description("Routes traffic by the real condition of the instances behind nginx, and lets an operator steer it.")
    .version(VERSION)
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .addHelpText("after", EXIT_CODES);
  withConnection(program);
  const registrations = [
    ...[registerUp, registerIpconfig, registerExporter, registerDemoInstance],
    ...[registerService, registerApply, registerDump, registerPolicy],
    ...[registerWeight, registerDrain, registerRestore, registerCanary],
    ...[registerPeers, registerExplain, registerDecisions, registerScore, registerSimulate],
    ...[registerStatus, registerWait, registerHistory],
  ];
  for (const register of registrations) register(program);
  return program;
}

/** The one place where errors are caught, printed and made into an exit code. */
async function main(): Promise<number> {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // The reader of a pipe has seen enough.
    if (error.code === "EPIPE") process.exit(EXIT.ok);
  });
  try {
    await createProgram().parseAsync();
    return Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    return report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    // Without a command commander has printed the help.
    if (error.code === "commander.help") return EXIT.usage;
    const message = error.message.replace(/^error: /, "").replaceAll("\n", " ");
    process.stderr.write(`routectl: ${message}; see --help\n`);
    return EXIT.usage;
  }
  const known = error instanceof RoutectlError;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`routectl: ${message.replaceAll("\n", " ")}\n`);
  if (process.argv.includes("--debug") && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return known ? error.exitCode : EXIT.error;
}

// Node waits at its end for names that are being resolved, for ten seconds where no name server answers (resolv.conf(5)).
process.env.RES_OPTIONS ??= "timeout:1 attempts:2";

const status = await main();
await new Promise((resolve) => process.stdout.write("", resolve));
// At once: connections that etcd's client still makes, to members that are gone, would keep the process for seconds.
process.exit(status);
