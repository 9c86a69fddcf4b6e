import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { checkRegex } from "../../lua/core/regex-check.ts";
import { compileLuaCore, type LuaCore } from "../support/parity.ts";
import { likelyRegex, subject } from "./regexes.ts";

const seed = Number(process.env.PARITY_SEED ?? 20_260_101);

let lua: LuaCore;

beforeAll(async () => {
  lua = await compileLuaCore();
});

afterAll(() => lua?.remove());

interface Case {
  readonly regex: string;
  readonly texts: readonly string[];
}

const askPcre = (cases: readonly Case[]) =>
  lua.answers(cases.map(({ regex, texts }) => ({ call: "regexMatches", args: [regex, texts] })));

it("a regular expression that a rule may have means the same in nginx and in Node", async () => {
  const some = <Value>(value: fc.Arbitrary<Value>, count: number) => fc.sample(value, { seed, numRuns: count });
  const allowed = [...new Set(some(likelyRegex, 9000))].filter((regex) => checkRegex(regex) === undefined);
  expect(allowed.length).toBeGreaterThan(1000);
  const texts = some(subject, 20 * allowed.length);
  const cases = allowed.map((regex, i) => ({ regex, texts: texts.slice(20 * i, 20 * i + 20) }));
  const inNode = cases.map(({ regex, texts }) => texts.map((text) => new RegExp(regex).test(text)));
  const inNginx = await askPcre(cases);
  const differing = cases.map((each, i) => ({ ...each, inNode: inNode[i], inNginx: inNginx[i] }));
  expect(differing.find(({ inNode, inNginx }) => !isDeepStrictEqual(inNode, inNginx))).toBeUndefined();
});

it("a regular expression that a rule may have is not too large for nginx, however its groups are repeated", async () => {
  const bodies = [
    ..."[ab] [ab][cd] [ab]{2,9}? (a) ((((a)))) |||||| ^^^^^^ \\b\\b a \\w* (?:)".split(" "),
    "a".repeat(90),
  ];
  const shapes = [
    (body: string, count: number) => `(${body}){${count}}`,
    (body: string, count: number) => `(?:${body}){0,${count}}`,
    (body: string, count: number) => `(?:(?:${body}){9,}){0,${count}}`,
    (body: string, count: number) => `(((${body}){2,3}){4}|[ab]){${count},}?`,
    (body: string, count: number) => `(${body}|(?:[ab]){${count}}){7}((a){8})`,
  ];
  const counts = Array.from({ length: 1000 }, (_, i) => 1000 - i);
  const largest = shapes.flatMap((shape) =>
    bodies.flatMap(
      (body) => counts.map((count) => shape(body, count)).find((each) => checkRegex(each) === undefined) ?? [],
    ),
  );
  expect(largest.length).toBeGreaterThan(40);
  expect(await askPcre(largest.map((regex) => ({ regex, texts: ["x"] })))).toHaveLength(largest.length);
});
