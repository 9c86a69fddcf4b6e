import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import type { Command } from "commander";
import { EXIT, usageError } from "../errors.ts";
import { type Connection, describeChanges, finishWrite, useStore, type WriteOptions, withWrite } from "./options.ts";

interface ApplyOptions extends WriteOptions {
  readonly filename: string;
  readonly prune?: boolean;
}

export function registerApply(program: Command): void {
  withWrite(program.command("apply").description("make services, instances and policies be as a YAML file says"))
    .requiredOption("-f, --filename <file>", "the file; - reads standard input")
    .option("--prune", "also remove the instances of these services that the file does not name")
    .addHelpText(
      "after",
      `
Services that the file does not name stay as they are, with --prune, too. To remove a service, name it without a policy
and with "instances: []": --prune then removes its instances, policy and manual weights. An instance that has registered
itself, with a lease, is never removed. With --dry-run it exits with 6 when there is something to change.

Example:
  $ routectl dump > services.yaml && routectl apply -f services.yaml --dry-run`,
    )
    .action(async (options: ApplyOptions, command: Command) => {
      const { applyManifest } = await import("../store/apply.ts");
      const { parseManifest } = await import("../store/manifest.ts");
      const manifest = parseManifest(await readManifest(options.filename), options.filename);
      const outcomes = await useStore(command.optsWithGlobals<Connection>(), (store) =>
        applyManifest(store, manifest, options.prune === true, {
          by: options.by,
          reason: options.reason,
          dryRun: options.dryRun === true,
        }),
      );
      await finishWrite(command, outcomes, describeChanges);
      const differs = outcomes.some(({ changes }) => changes.length > 0);
      if (options.dryRun === true && differs) process.exitCode = EXIT.differences;
    });
}

/** @throws a usage error when the file can't be read */
export async function readManifest(filename: string): Promise<string> {
  try {
    return filename === "-" ? await text(process.stdin) : await readFile(filename, "utf8");
  } catch (error) {
    throw usageError(`can't read ${filename}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

export function registerDump(program: Command): void {
  program
    .command("dump")
    .description("print all services, instances and policies as YAML, for apply")
    .addHelpText("after", "\nExample:\n  $ routectl dump > services.yaml")
    .action(async (_options: object, command: Command) => {
      const { dumpManifest } = await import("../store/manifest.ts");
      process.stdout.write(await useStore(command.optsWithGlobals<Connection>(), (store) => dumpManifest(store)));
    });
}
