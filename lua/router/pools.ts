import { matchingRule, type RuleFacts } from "../core/rules.ts";
import { countEvent } from "./loads.ts";
import { warn } from "./log-line.ts";
import type { RoutedRequest } from "./request.ts";
import { readKeyHash } from "./request-variable.ts";

/** Filled anew for every request. */
const facts = { values: [] as string[], keyHashes: [] as number[] } satisfies RuleFacts;

/** Of a value, as much as this is matched: what a client sends must not keep a worker busy. */
const MOST_BYTES = 1024;

const broken = new LuaSet<string>();

/** The peers that a request may go to, by the rules of its service's policy. */
export function choosePool(request: RoutedRequest): void {
  const { table } = request;
  const variables = table.ruleVariables;
  for (let i = 0; i < variables.length; i++) {
    const { value, key } = variables[i]!;
    facts.values[i] = value === "" ? "" : (ngx.var[value] ?? "");
    if (key === "") facts.keyHashes[i] = 0;
    else if (key === table.hashVariable) facts.keyHashes[i] = request.keyHash;
    else if (i > 0 && key === variables[i - 1]!.key) facts.keyHashes[i] = facts.keyHashes[i - 1]!;
    else facts.keyHashes[i] = readKeyHash(key);
  }
  const rule = matchingRule(table.routing.rules, facts, testRegex);
  if (rule < 0) return;
  request.rule = rule + 1;
  const plan = table.routing.planOfRule[rule]!;
  request.pool = table.pools[plan]!;
  request.poolIndex = plan;
  if (plan === 0) countEvent(table.serviceLoad, "empty-subset");
}

function testRegex(this: void, value: string, regex: string): boolean {
  const [from, , error] = ngx.re.find(string.sub(value, 1, MOST_BYTES), regex, "jo");
  if (error !== undefined && !broken.has(regex)) {
    broken.add(regex);
    warn(`the regular expression ${regex} of a rule can't be used on some value: ${error}`);
  }
  return from !== undefined;
}
