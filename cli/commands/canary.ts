import type { Command } from "commander";
import type { RuleMatch } from "../../lua/core/types.ts";
import { usageError } from "../errors.ts";
import { present, type ReadOptions, warn } from "../output/present.ts";
import type { MatchKind, RuleChange, Subset } from "../store/rule-change.ts";
import {
  type Connection,
  describeChanges,
  finishWrite,
  useStore,
  type WriteOptions,
  withRead,
  withWrite,
} from "./options.ts";
import { collectMatch, collectPathPrefix, collectSubset, type NONE, orNone, parsePercent } from "./parse.ts";

/** Matches of one kind as they were given; empty for `none`. */
type Matches = readonly RuleMatch[];

interface SetOptions extends WriteOptions, Partial<Record<"header" | "cookie" | "query" | "pathPrefix", Matches>> {
  readonly subset: Subset;
  readonly percent?: number | typeof NONE;
  readonly hashOn?: string;
}

const SET_HELP = `
A request that matches, or whose user is in the percentage, goes to an instance with the subset's metadata; those
instances get no other requests. Matches are looked at first. What is not given stays as it is; none takes away what is
there: --percent 10 changes the percentage and keeps the headers, --header none takes the headers away and keeps the
rest. --percent 0 leaves the subset without users; canary clear makes its instances like all others again.

A VALUE is taken as it is; with * at its end it is a prefix, with ~ at its beginning a regular expression, and * alone is
any value.

Example:
  $ routectl canary set demo --subset version=v2 --header x-beta=1 --percent 5 --hash-on cookie:uid --wait
  $ routectl canary set demo --subset version=v2 --header 'x-beta=~^(a|b)$' --path-prefix /demo/v2/`;

/** More instances than this are counted, not named. */
const MOST_NAMED = 5;

export function registerCanary(program: Command): void {
  const canary = program
    .command("canary")
    .description("some requests to a subset: by header, cookie, query, path, or a part of the users")
    .addHelpText("after", "\nExample:\n  $ routectl canary set demo --subset version=v2 --percent 5");

  withWrite(canary.command("set <service>").description("send some requests to the instances with some metadata"))
    .requiredOption("--subset <key=value>", "the metadata; several, or k=v,k=v, must all be there", collectSubset)
    .option("--percent <percent>", "a part of the users, such as 5 or 0.5", orNone(parsePercent))
    .option("--hash-on <source>", "what names the user: header:NAME, cookie:NAME, query:NAME, path or address")
    .option(
      "--header <name=value>",
      "requests with this header; may be given several times, like the next three",
      collectMatch("header"),
    )
    .option("--cookie <name=value>", "requests with this cookie", collectMatch("cookie"))
    .option("--query <name=value>", "requests with this argument in the URL, as it stands there", collectMatch("query"))
    .option("--path-prefix <path>", "requests for what begins like this", collectPathPrefix)
    .addHelpText("after", SET_HELP)
    .action(async (service: string, options: SetOptions, command: Command) => {
      const { setCanary } = await import("../store/canary.ts");
      const change = changeOf(options);
      const outcome = await useStore(command.optsWithGlobals<Connection>(), (store) =>
        setCanary(store, service, change, {
          by: options.by,
          reason: options.reason,
          dryRun: options.dryRun === true,
        }),
      );
      for (const warning of outcome.warnings) warn(warning);
      await finishWrite(command, [outcome], describeChanges);
    });

  withWrite(canary.command("clear <service>").description("take the rules away: of a subset, or all"))
    .option("--subset <key=value>", "only those that send requests to this subset", collectSubset)
    .addHelpText(
      "after",
      `
The instances of the subset then take their part of all requests, like the others; canary set --percent 0 instead
keeps requests away from them.

Example:
  $ routectl canary clear demo --subset version=v2`,
    )
    .action(async (service: string, options: WriteOptions & { subset?: Subset }, command: Command) => {
      const { formatSubset } = await import("../../lua/core/explain.ts");
      const { clearCanary } = await import("../store/canary.ts");
      const outcome = await useStore(command.optsWithGlobals<Connection>(), (store) =>
        clearCanary(store, service, options.subset, {
          by: options.by,
          reason: options.reason,
          dryRun: options.dryRun === true,
        }),
      );
      const of = options.subset === undefined ? "" : ` for ${formatSubset(options.subset)}`;
      await finishWrite(command, [outcome], (done) => {
        if (done.changes.length === 0) return `${service}: no rule${of} to take away`;
        const { released } = outcome;
        const who = released.length > MOST_NAMED ? `${released.length} instances` : released.join(", ");
        const note = released.length === 0 ? "" : `\n${service}: ${who} may now get any request`;
        return `${describeChanges(done)}${note}`;
      });
    });

  withRead(canary.command("show <service>").description("the rules in force, in the order in which they are looked at"))
    .addHelpText("after", "\nExample:\n  $ routectl canary show demo")
    .action(async (service: string, options: ReadOptions, command: Command) => {
      const connection = command.optsWithGlobals<Connection>();
      const { formatSubset } = await import("../../lua/core/explain.ts");
      const { listCanaries } = await import("../store/canary.ts");
      const { formatMatch } = await import("../store/match-text.ts");
      const { renderTable } = await import("../output/table.ts");
      await present(
        options,
        () => useStore(connection, (store) => listCanaries(store, service)),
        (rules, wide) =>
          renderTable(
            ["RULE", "SUBSET", "REQUESTS", "PERCENT", "BY", "INSTANCES"],
            rules.map(({ rule, subset, match, percent, hashOn, instances }) => [
              rule,
              formatSubset(subset),
              match === undefined ? "any" : formatMatch(match),
              percent === undefined ? "all" : `${percent} %`,
              hashOn ?? "-",
              instances.length === 0
                ? { text: "none", tone: "bad" as const }
                : wide
                  ? instances.join(" ")
                  : instances.length,
            ]),
          ),
      );
    });
}

function changeOf({ subset, percent, hashOn, header, cookie, query, pathPrefix }: SetOptions): RuleChange {
  const given = Object.entries({ header, cookie, query, path: pathPrefix }) as [MatchKind, Matches | undefined][];
  const matches = new Map(given.filter((entry): entry is [MatchKind, Matches] => entry[1] !== undefined));
  if (matches.size === 0 && percent === undefined && hashOn === undefined) {
    throw usageError("say which requests: --percent, --header, --cookie, --query or --path-prefix");
  }
  return { subset, matches, percent, hashOn };
}
