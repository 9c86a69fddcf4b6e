import { functionsOfCore } from "./functions.ts";
import { matchesInPcre } from "./pcre.ts";

// The Lua side of the parity tests: reads calls, a line of JSON each, from the file that its argument names, and prints
// an answer a line. Lua's own libraries are declared here, because the tests' tsconfig checks this file as well.
declare const io: { lines(this: void, path: string): () => string | undefined; write(this: void, text: string): void };
declare const string: { format(this: void, format: string, value: number): string };
declare const arg: readonly string[];
declare const _G: { require(this: void, module: string): unknown };

interface Call {
  readonly function: string;
  readonly args: unknown;
}

// Called through _G, because TypeScriptToLua would look for a plain require's module among the sources.
const cjson = _G.require("cjson") as {
  decode(this: void, json: string): unknown;
  encode(this: void, value: unknown): string;
};

/** JSON has no undefined: it travels as `{"$":"undefined"}`. */
function decoded(value: unknown): unknown {
  if (typeof value !== "object" || value === undefined) return value;
  const fields = value as Record<string, unknown>;
  if (fields.$ === "undefined") return undefined;
  const result: Record<string, unknown> = {};
  for (const key in fields) result[key] = decoded(fields[key]);
  return result;
}

/** Lua's own conversion keeps 14 digits of a number; 17 tell every two numbers apart. */
function encoded(value: unknown): string {
  if (value === undefined) return "null";
  if (typeof value === "number") {
    if (Number.isNaN(value)) return '{"$":"NaN"}';
    return value - value === 0 ? string.format("%.17g", value) : value > 0 ? "1e999" : "-1e999";
  }
  if (typeof value !== "object") return cjson.encode(value);
  const parts: string[] = [];
  if (Array.isArray(value)) {
    for (const item of value) parts.push(encoded(item));
    return `[${parts.join(",")}]`;
  }
  const fields = value as Record<string, unknown>;
  for (const key in fields) parts.push(`${cjson.encode(key)}:${encoded(fields[key])}`);
  return `{${parts.join(",")}}`;
}

const functions = functionsOfCore((text) => text, matchesInPcre) as unknown as Record<
  string,
  (...args: unknown[]) => unknown
>;

const nextLine = io.lines(arg[0]!);
let line = nextLine();
while (line !== undefined) {
  const call = cjson.decode(line) as Call;
  const args = decoded(call.args) as unknown[];
  io.write(`${encoded(functions[call.function]!(args[0], args[1], args[2], args[3], args[4]))}\n`);
  line = nextLine();
}
