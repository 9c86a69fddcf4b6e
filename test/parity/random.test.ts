import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { answerInNode, type Call, canonical, compileLuaCore, type LuaCore } from "../support/parity.ts";
import type { FunctionName } from "./functions.ts";
import { GENERATORS } from "./generators.ts";

const CASES_PER_FUNCTION = 200;
const seed = Number(process.env.PARITY_SEED ?? 20_260_101);

let lua: LuaCore;

beforeAll(async () => {
  lua = await compileLuaCore();
});

afterAll(() => lua?.remove());

it(`Node and LuaJIT answer alike (seed ${seed}, PARITY_SEED sets another)`, async () => {
  const calls: Call[] = [];
  for (const [call, generator] of Object.entries(GENERATORS)) {
    for (const args of fc.sample(generator, { seed, numRuns: CASES_PER_FUNCTION })) {
      // Lua cannot tell an empty object from an empty array, so that Node must be asked about the same thing.
      calls.push({ call: call as FunctionName, args: args.map((arg) => (arg === undefined ? arg : canonical(arg))) });
    }
  }
  const answers = await lua.answers(calls);
  expect(answers.length).toBe(calls.length);
  const differing = calls
    .map((call, i) => ({ ...call, node: canonical(answerInNode(call)), lua: answers[i] }))
    .filter(({ node, lua }) => !isDeepStrictEqual(node, lua));
  expect(differing[0], `${differing.length} of ${calls.length} differ, the first of them`).toBeUndefined();
});
