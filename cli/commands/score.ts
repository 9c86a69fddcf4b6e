import { createWriteStream } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import { EXIT, RoutectlError } from "../errors.ts";
import { present, type ReadOptions, warn, write } from "../output/present.ts";
import {
  type Connection,
  describeChanges,
  finishWrite,
  useStore,
  type WriteOptions,
  withRead,
  withWrite,
} from "./options.ts";
import { parseTtl } from "./parse.ts";

export function registerScore(program: Command): void {
  const score = program
    .command("score")
    .description("how the instances' condition becomes their score")
    .addHelpText("after", "\nExample:\n  $ routectl score show demo");

  withRead(score.command("show <service>").description("each instance's score, term by term"))
    .addHelpText("after", "\nExample:\n  $ routectl score show demo -w")
    .action(async (service: string, options: ReadOptions, command: Command) => {
      const { fetchScores, ipconfigAt } = await import("../remote/ipconfig.ts");
      const { requireName } = await import("../store/lookup.ts");
      const { renderTable } = await import("../output/table.ts");
      requireName("service", service);
      const { ipconfig } = command.optsWithGlobals<Connection>();
      await present(
        options,
        () => fetchScores(ipconfigAt(ipconfig), service),
        ({ coefficients, instances }) => {
          if (coefficients === null) return `${service}: nobody reports its status, every score is neutral (1)`;
          const names = Object.keys(coefficients);
          const rows = instances.map(({ id, state, reason, features, presence, raw, damped, score: value }) => [
            id,
            { text: state, tone: state === "up" ? ("good" as const) : ("bad" as const) },
            ...names.map((name) =>
              features === undefined ? "-" : `-${(coefficients[name]! * features[name]!).toFixed(3)}`,
            ),
            presence.toFixed(2),
            raw.toFixed(3),
            damped.toFixed(3),
            value.toFixed(3),
            reason ?? "",
          ]);
          const heads = [
            "ID",
            "STATE",
            ...names.map((name) => name.toUpperCase()),
            "PRESENCE",
            "RAW",
            "DAMPED",
            "SCORE",
            "",
          ];
          const formula = `${service}: raw = presence × (1 ${names.map((name) => `− ${coefficients[name]}·${name}`).join(" ")})`;
          return `${formula}\n${renderTable(heads, rows)}`;
        },
      );
    });

  score
    .command("record <service>")
    .description("keep the service's samples in a file, one JSON object a line, for score fit")
    .requiredOption("-f, --filename <file>", "the file; samples are added to its end")
    .option("--for <time>", "how long: 30s, 10m, 1h, ... (default: until Ctrl-C)", parseTtl)
    .addHelpText("after", "\nExample:\n  $ routectl score record demo -f demo.jsonl --for 1h")
    .action(async (service: string, options: { filename: string; for?: number }, command: Command) => {
      const { recordSamples } = await import("../ipconfig/scoring/record.ts");
      const { readCatalogOf } = await import("../store/catalog.ts");
      const { requireService } = await import("../store/lookup.ts");
      await useStore(command.optsWithGlobals<Connection>(), async (store) => {
        requireService(await readCatalogOf(store, service), service);
        const file = createWriteStream(options.filename, { flags: "a" });
        const failed = new Promise<never>((_, reject) => {
          file.once("error", (error) =>
            reject(new RoutectlError("file", EXIT.error, `can't write ${options.filename}: ${error.message}`, error)),
          );
        });
        let count = 0;
        const mirror = recordSamples(store, service, (sample) => {
          count++;
          file.write(`${JSON.stringify(sample)}\n`);
        });
        const interrupted = new Promise<void>((resolve) => {
          process.once("SIGINT", resolve);
          process.once("SIGTERM", resolve);
        });
        const time = new AbortController();
        const over = options.for === undefined ? [] : [delay(options.for * 1000, undefined, { signal: time.signal })];
        try {
          await Promise.race([interrupted, failed, ...over]);
        } finally {
          time.abort();
          await mirror.stop();
          await new Promise<void>((resolve) => file.end(resolve));
        }
        write(`${count} samples of ${service} in ${options.filename}`);
      });
    });

  withWrite(
    score.command("fit <file>").description("compute coefficients from recorded samples, by what goes with latency"),
  )
    .option("--apply <service>", "put them into the policy of this service")
    .addHelpText("after", "\nExample:\n  $ routectl score fit demo.jsonl --apply demo --dry-run")
    .action(async (file: string, options: WriteOptions & { apply?: string }, command: Command) => {
      const { fitCoefficients, LEAST_R_SQUARED } = await import("../ipconfig/scoring/fit.ts");
      const { readRecord } = await import("../ipconfig/scoring/record.ts");
      const { formatAs } = await import("../output/present.ts");
      const { renderTable } = await import("../output/table.ts");
      const fit = fitCoefficients(await readRecord(file));
      if (fit === undefined) {
        throw new RoutectlError(
          "too-few",
          EXIT.error,
          `${file} has too few samples with a latency: record for longer, under load`,
        );
      }
      const text = await formatAs(
        options.output,
        fit,
        ({ samples, rSquared, interceptMs, terms, coefficients, kept }) => {
          const rows = terms.map(({ feature, millisecondsPerUnit, standardised }) => [
            feature,
            millisecondsPerUnit.toFixed(2),
            standardised.toFixed(3),
            String(coefficients[feature]),
          ]);
          const table = renderTable(["FEATURE", "MS PER UNIT", "STANDARDISED", "COEFFICIENT"], rows);
          const head = `${samples} samples, R² ${rSquared.toFixed(3)}, ${interceptMs.toFixed(2)} ms without any`;
          const defaults = kept.map(
            ({ feature, why }) => `${feature} keeps its default, ${coefficients[feature]}: ${why}`,
          );
          return [head, table, ...defaults].join("\n");
        },
      );
      const isDocument = options.output === "json" || options.output === "yaml";
      if (!isDocument || options.apply === undefined) write(text);
      if (options.apply === undefined) return;
      if (fit.rSquared < LEAST_R_SQUARED) {
        const part = `${Math.max(0, fit.rSquared * 100).toFixed(0)} %`;
        warn(
          `these coefficients explain ${part} of what latency did in ${file}: record for longer, under varying load`,
        );
      }
      const service = options.apply;
      const { changePolicy } = await import("../store/policy.ts");
      const outcome = await useStore(command.optsWithGlobals<Connection>(), (store) =>
        changePolicy(store, service, (before) => ({ ...before, score: fit.coefficients }), {
          action: "policy set",
          by: options.by,
          reason: options.reason,
          dryRun: options.dryRun === true,
        }),
      );
      await finishWrite(command, [outcome], describeChanges, fit);
    });
}
