import type { RuleMatch } from "../../lua/core/types.ts";

/** What a request must have for a rule, as `routectl canary set` takes it and everything prints it. */

type Operand = Omit<RuleMatch, "on">;

/** Matches every value that is there. */
const ANY = ".";

/** Reads `1`, `1*` (a prefix), `~^[12]$` (a regular expression) or `*` (any value); in quotes, `"1*"`, it is what it says. */
export function parseOperand(text: string): Operand {
  if (text === "*") return { regex: ANY };
  if (text.startsWith("~")) return { regex: text.slice(1) };
  const isPrefix = text.endsWith("*");
  const value = isPrefix ? text.slice(0, -1) : text;
  const literal = unquoted(value) ?? value;
  return isPrefix ? { prefix: literal } : { equals: literal };
}

function formatOperand({ equals, prefix, regex }: Operand): string {
  if (equals !== undefined) return readsOtherwise(equals) || equals.endsWith("*") ? JSON.stringify(equals) : equals;
  if (prefix !== undefined) return `${readsOtherwise(prefix) ? JSON.stringify(prefix) : prefix}*`;
  return regex === ANY ? "*" : `~${regex}`;
}

/** Whether a text would be taken for a regular expression, or for one in quotes. */
function readsOtherwise(text: string): boolean {
  return /^["~]/.test(text);
}

function unquoted(text: string): string | undefined {
  if (!/^".*"$/s.test(text)) return undefined;
  try {
    return JSON.parse(text) as string;
  } catch {
    return undefined;
  }
}

/** `header:x-beta=1`, `cookie:beta=a*`, `path=/v2*`, `query:v=~^[23]$`. */
export function formatMatch({ on, ...operand }: RuleMatch): string {
  return `${on}=${formatOperand(operand)}`;
}
