import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type FunctionName, functionsOfCore } from "../parity/functions.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

/** One function of lua/core and what it is given. */
export interface Call {
  readonly call: FunctionName;
  readonly args: readonly unknown[];
}

/** lua/core as LuaJIT runs it. */
export interface LuaCore {
  /** The answers of LuaJIT, one a call, all from one process. */
  answers(calls: readonly Call[]): Promise<unknown[]>;
  remove(): Promise<void>;
}

/** Compiles the driver into a directory of its own, so that test files may do so at the same time. */
export async function compileLuaCore(): Promise<LuaCore> {
  const directory = await mkdtemp(join(tmpdir(), "routectl-parity-"));
  const compiler = join(root, "node_modules/typescript-to-lua/dist/tstl.js");
  const remove = () => rm(directory, { recursive: true });
  try {
    await run(process.execPath, [compiler, "-p", join(root, "test/parity"), "--outDir", directory]);
  } catch (error) {
    await remove();
    throw new Error(`lua/core does not compile to Lua:\n${(error as { stdout?: string }).stdout ?? error}`, {
      cause: error,
    });
  }
  return {
    answers: async (calls) => {
      const path = join(directory, "calls.jsonl");
      await writeFile(path, calls.map(({ call, args }) => `${toJson({ function: call, args })}\n`).join(""));
      const { stdout } = await run("luajit", [join(directory, "test/parity/driver.lua"), path], {
        env: { ...process.env, LUA_PATH: `${directory}/?.lua;;` },
        maxBuffer: 1024 * 1024 * 1024,
      });
      const lines = stdout.split("\n").slice(0, -1);
      return lines.map((line) => canonical(resolveMarks(JSON.parse(line), {})));
    },
    remove,
  };
}

const functions = functionsOfCore(
  (text) => Buffer.from(text, "utf8").toString("latin1"),
  (text, regex) => new RegExp(regex).test(text),
);

/** Everything that both runtimes must answer alike. */
export const functionNames = Object.keys(functions);

/** The answer of this very process. */
export function answerInNode({ call, args }: Call): unknown {
  const { [call]: called } = functions as unknown as Record<string, (...args: readonly unknown[]) => unknown>;
  return canonical(called!(...args));
}

/**
 * What the two runtimes can both say: in Lua there is no telling an empty array from an empty object, a field that is
 * undefined is not there, and 0 is what -0 is.
 */
export function canonical(value: unknown): unknown {
  if (value === undefined) return null;
  if (value === 0) return 0;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(canonical);
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return entries.length === 0 ? [] : Object.fromEntries(entries.map(([key, field]) => [key, canonical(field)]));
}

/**
 * Resolves the marks for what JSON cannot say: `{"$":"NaN"}`, `{"$":"undefined"}`, and `{"$":NAME,"with":{...}}` for what
 * `given` has by this name, some of its fields replaced.
 */
export function resolveMarks(value: unknown, given: Readonly<Record<string, unknown>>): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => resolveMarks(item, given));
  const { $: mark, with: replaced } = value as { $?: string; with?: object };
  if (mark === "NaN") return Number.NaN;
  if (mark === "undefined") return undefined;
  if (mark === undefined) {
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, resolveMarks(field, given)]));
  }
  if (!(mark in given)) throw new Error(`nothing is given as "${mark}"`);
  return resolveMarks({ ...(given[mark] as object), ...replaced }, given);
}

/** JSON as cjson reads it, which takes NaN and 1e999 for numbers. */
export function toJson(value: unknown): string {
  if (value === undefined) return '{"$":"undefined"}';
  if (typeof value === "number") {
    if (Number.isFinite(value)) return Object.is(value, -0) ? "-0" : JSON.stringify(value);
    return Number.isNaN(value) ? "NaN" : value > 0 ? "1e999" : "-1e999";
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(toJson).join(",")}]`;
  return `{${Object.entries(value)
    .map(([key, field]) => `${JSON.stringify(key)}:${toJson(field)}`)
    .join(",")}}`;
}
