import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  answerInNode,
  canonical,
  compileLuaCore,
  functionNames,
  type LuaCore,
  resolveMarks,
} from "../support/parity.ts";
import type { FunctionName } from "./functions.ts";

interface VectorFile {
  readonly about: string;
  readonly given?: Readonly<Record<string, unknown>>;
  readonly vectors: readonly Vector[];
}

interface Vector {
  readonly says: string;
  readonly call: FunctionName;
  readonly args: readonly unknown[];
  readonly answer: unknown;
}

const directory = new URL("../vectors/", import.meta.url);
const files = readdirSync(directory).filter((name) => name.endsWith(".json"));

function readVectors(name: string): { readonly about: string; readonly vectors: readonly Vector[] } {
  const { about, given = {}, vectors } = JSON.parse(readFileSync(new URL(name, directory), "utf8")) as VectorFile;
  return {
    about,
    vectors: vectors.map(({ says, call, args, answer }) => ({
      says: `${call}: ${says}`,
      call,
      args: args.map((arg) => resolveMarks(arg, given)),
      answer: canonical(resolveMarks(answer, given)),
    })),
  };
}

let lua: LuaCore;

beforeAll(async () => {
  lua = await compileLuaCore();
});

afterAll(() => lua?.remove());

describe.each(files)("%s", (name) => {
  const { about, vectors } = readVectors(name);

  it(`in Node: ${about}`, () => {
    const answers = vectors.map((vector) => ({ says: vector.says, answer: answerInNode(vector) }));
    expect(answers).toEqual(vectors.map(({ says, answer }) => ({ says, answer })));
  });

  it(`in LuaJIT: ${about}`, async () => {
    const answers = await lua.answers(vectors);
    expect(answers.map((answer, i) => ({ says: vectors[i]?.says, answer }))).toEqual(
      vectors.map(({ says, answer }) => ({ says, answer })),
    );
  });
});

it("there is a vector for every function of the table", () => {
  const called = new Set(files.flatMap((name) => readVectors(name).vectors.map(({ call }) => call)));
  // What a ring is made of is too long for a vector: its picks and orders are there instead.
  const expected = functionNames.filter((name) => name !== "buildHashRing");
  expect([...called].sort()).toEqual(expected.sort());
});
