import { suggestion } from "./suggestion.ts";

/** What is wrong with a policy, and where in it. */
export interface PolicyIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/**
 * Takes what `checkPolicy` says apart: `policy.rules[0].match.regex: a ( without a )` is at `rules`, 0, `match`, `regex`. For
 * an unknown key it suggests the nearest known one.
 */
export function policyIssue(error: string): PolicyIssue {
  const colon = error.indexOf(": ");
  const path = pathOf(error.slice("policy".length, colon));
  const message = error.slice(colon + 2);
  const [, key, known] = /^unknown key "(.*)" \(known: (.*)\)$/.exec(message) ?? [];
  if (key === undefined) return { path, message };
  const hint = suggestion(key, known!.split(", "));
  return { path: [...path, key], message: hint === "" ? message : `unknown key "${key}": ${hint}` };
}

/** From `.rules[0].subset.version`. The keys of a subset are the user's, and may have dots in them. */
function pathOf(text: string): (string | number)[] {
  const [structure, subsetKey] = text.split(/(?<=\.subset)\.(.*)/s) as [string, string?];
  const path: (string | number)[] = [];
  for (const [, name, index] of structure.matchAll(/\.([^.[\]]+)|\[(\d+)\]/g)) path.push(name ?? Number(index));
  return subsetKey === undefined ? path : [...path, subsetKey];
}

/** A place in what someone wrote: `services.demo.policy.rules[0].match`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((part, i) => (typeof part === "number" ? `[${part}]` : i === 0 ? String(part) : `.${String(part)}`))
    .join("");
}
