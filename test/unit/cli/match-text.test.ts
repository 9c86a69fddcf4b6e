import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatMatch, parseOperand } from "../../../cli/store/match-text.ts";

describe("the value of a match", () => {
  it.each([
    ["1", { equals: "1" }],
    ["1*", { prefix: "1" }],
    ["~^(a|b)$", { regex: "^(a|b)$" }],
    ["~a*", { regex: "a*" }],
    ["*", { regex: "." }],
    ["", { equals: "" }],
    ["a*b", { equals: "a*b" }],
    ['"1*"', { equals: "1*" }],
    ['"~a"*', { prefix: "~a" }],
    ['"', { equals: '"' }],
  ])("%s", (text, operand) => expect(parseOperand(text)).toEqual(operand));

  it("is printed as it can be typed again, whatever it is", () => {
    const operand = fc.oneof(
      fc.record({ equals: fc.string({ minLength: 1, unit: fc.constantFrom(..."a*~\"\\ '=é") }) }),
      fc.record({ prefix: fc.string({ minLength: 1, unit: fc.constantFrom(..."a*~\"\\ '=é") }) }),
      fc.record({ regex: fc.string({ minLength: 1, unit: fc.constantFrom(...'a*.~"') }) }),
    );
    fc.assert(
      fc.property(operand, (one) => {
        const [, text] = /^header:x=(.*)$/s.exec(formatMatch({ on: "header:x", ...one }))!;
        expect(parseOperand(text!)).toEqual(one);
      }),
    );
  });
});
