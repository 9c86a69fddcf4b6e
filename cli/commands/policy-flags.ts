import { type Command, Option } from "commander";
import { ALGORITHMS, type Policy } from "../../lua/core/types.ts";
import type { PolicyFields } from "../store/policy.ts";
import { NONE, orNone, parseChoice, parseCount, parseDuration, parseLimit, parsePercent } from "./parse.ts";

type Group = "timeouts" | "retries" | "ejection" | "sticky";
type PolicyPath = keyof Policy | { [G in Group]: `${G}.${keyof NonNullable<Policy[G]> & string}` }[Group];

/** A flag of `routectl policy set`, the field of the policy that it sets, how it is read, and what it says in the help. */
type PolicyFlag = readonly [flags: string, path: PolicyPath, parse: (text: string) => unknown, says: string];

const parseText = (text: string): string => text;
const parseSwitch = (text: string): boolean => parseChoice(["on", "off", NONE])(text) === "on";

/** By their heading in the help. Limits are for `checkPolicy` to know. */
const FLAGS: Readonly<Record<string, readonly PolicyFlag[]>> = {
  "Picking a peer:": [
    ["--algorithm <name>", "algorithm", parseChoice(ALGORITHMS), `one of ${ALGORITHMS.join(", ")}`],
    [
      "--hash-on <source>",
      "hashOn",
      parseText,
      "what names the user: header:NAME, cookie:NAME, query:NAME, path, address",
    ],
    [
      "--sticky-cookie <name>",
      "sticky.cookie",
      parseText,
      "pin sessions by a cookie of this name (routers need stickySecretFile)",
    ],
    ["--top <count>", "top", parseCount, "only the best so many get traffic by score"],
    ["--status-port <port>", "statusPort", parseCount, "where instances serve their status over gRPC"],
    ["--slow-start-ms <ms>", "slowStartMs", parseCount, "how long a new instance takes to its whole weight (10000)"],
  ],
  "Timeouts, such as 300ms, 2s or 1h:": [
    ["--connect-timeout <time>", "timeouts.connectMs", parseDuration, "until an instance is connected (1s)"],
    [
      "--per-try-timeout <time>",
      "timeouts.perTryMs",
      parseDuration,
      "until it answers, and between parts of its answer (1h)",
    ],
    ["--overall-timeout <time>", "timeouts.overallMs", parseDuration, "for all tries together (no limit)"],
    ["--stream-idle-timeout <time>", "timeouts.streamIdleMs", parseDuration, "how long a stream may be silent (1h)"],
  ],
  "Retries:": [
    ["--max-attempts <count>", "maxAttempts", parseCount, "how many peers one request may try (3)"],
    [
      "--retry-non-idempotent <on|off>",
      "retries.nonIdempotent",
      parseSwitch,
      "a POST, say, that was sent already (off)",
    ],
    ["--retry-budget <percent>", "retries.budgetPercent", parsePercent, "how many of the requests may be retries (20)"],
  ],
  "Ejection, for a while, of instances that fail; 0 is never:": [
    ["--eject-after <failures>", "ejection.consecutiveFailures", parseCount, "of any kind, in a row (5)"],
    ["--eject-after-unanswered <requests>", "ejection.unanswered", parseCount, "without any answer, in a row (3)"],
    ["--eject-error-percent <percent>", "ejection.errorPercent", parsePercent, "of the answers of ten seconds (50)"],
    ["--ejection-time <time>", "ejection.baseMs", parseDuration, "the first time; it doubles each time (2s)"],
    ["--max-ejection-time <time>", "ejection.maxMs", parseDuration, "at most (6s)"],
    [
      "--max-ejected-percent <percent>",
      "ejection.maxEjectedPercent",
      parsePercent,
      "beyond which none is ejected (50)",
    ],
  ],
  "Rate limit:": [
    ["--limit <key=K,rate=R,burst=B>", "limit", parseLimit, "R requests a second for each K (as --hash-on), B at once"],
  ],
};

/** The one field that a policy can't be without. */
const REQUIRED = "algorithm";

export function withPolicyFlags(command: Command): Command {
  for (const [heading, flags] of Object.entries(FLAGS)) {
    for (const [names, path, parse, says] of flags) {
      const option = new Option(names, says).argParser(path === REQUIRED ? parse : orNone(parse));
      command.addOption(option.helpGroup(heading));
    }
  }
  return command;
}

/** The fields that were given, by their path; undefined for those that are to go. */
export function fieldsOf(options: Readonly<Record<string, unknown>>): PolicyFields {
  const fields = new Map<string, unknown>();
  for (const [names, path] of Object.values(FLAGS).flat()) {
    const given = options[new Option(names).attributeName()];
    if (given !== undefined) fields.set(path, given === NONE ? undefined : given);
  }
  return fields;
}
