import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkRegex } from "../../../lua/core/regex-check.ts";

const PIECES = [
  ..."ab09-:=,.^$|()[]{}*+?\\ /",
  "(?:",
  "[^",
  "a-b",
  "\\d",
  "\\b",
  "\\.",
  "{2}",
  "{1,2}",
  "{2,}",
  "[:",
  "[.",
];
const pattern = fc.oneof(
  fc.string({ unit: fc.constantFrom(...PIECES), maxLength: 8 }),
  fc.string({ unit: "binary-ascii", maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 6 }),
);

describe("a regular expression of a rule", () => {
  it("that is allowed compiles in JavaScript, whatever it is", () => {
    let allowed = 0;
    fc.assert(
      fc.property(pattern, (text) => {
        if (checkRegex(text) !== undefined) return;
        allowed++;
        expect(() => new RegExp(text)).not.toThrow();
      }),
      { numRuns: 20_000, seed: 1 },
    );
    expect(allowed).toBeGreaterThan(1000);
  });

  it.each([
    "^/orders/[0-9]+$",
    "^v(1|2)\\.[0-9]{1,3}$",
    "^(?:\\d{1,3}\\.){3}\\d{1,3}$",
    "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
    "\\bbeta\\b",
    ".*?x.+?y??",
    "[^a-z_-]",
    "[-a]|[a-]|[.]|[$^]",
    "[\\w\\-\\]]",
    "\\(\\)\\[\\]\\{\\}\\*\\+\\?\\.\\^\\$\\|\\\\\\/",
    "a{0}b{1000}c{0,}",
    "(?:ab){200}",
    "()|",
    "/ #,:;=!@%&'\"<>~`_",
  ])("may be %s", (text) => {
    expect(checkRegex(text)).toBeUndefined();
    expect(() => new RegExp(text)).not.toThrow();
  });

  it.each([
    ["(?i)a", "of the groups with ? only (?:...) is allowed (character 1)"],
    ["a(?=b)", "of the groups with ? only (?:...) is allowed (character 2)"],
    ["(?<n>a)", "of the groups with ? only (?:...) is allowed (character 1)"],
    ["(*UTF8)a", "nothing to repeat before character 2; write \\* for the character itself"],
    ["a**", "nothing to repeat before character 3; write \\* for the character itself"],
    ["a++", "nothing to repeat before character 3; write \\+ for the character itself"],
    ["^*", "nothing to repeat before character 2; write \\* for the character itself"],
    ["\\b+", "nothing to repeat before character 3; write \\+ for the character itself"],
    ["\\B{2}", "nothing to repeat before character 3; write \\{ for the character itself"],
    ["(a)\\1", "the escape at character 4 is not allowed"],
    ["\\x41", "the escape at character 1 is not allowed"],
    ["\\Aa\\z", "the escape at character 1 is not allowed"],
    ["\\n", "the escape at character 1 is not allowed"],
    ["a\\", "the escape at character 2 is not allowed"],
    ["a{,2}", "character 2 begins no {n}, {n,} or {n,m}; write \\{ for the character itself"],
    ["a{3,2}", "character 2 begins no {n}, {n,} or {n,m}; write \\{ for the character itself"],
    ["a{1001}", "character 2 begins no {n}, {n,} or {n,m}; write \\{ for the character itself"],
    ["a{x}", "character 2 begins no {n}, {n,} or {n,m}; write \\{ for the character itself"],
    ["{2}", "nothing to repeat before character 1; write \\{ for the character itself"],
    ["a]", "write \\] for the character itself (character 2)"],
    ["a}", "write \\} for the character itself (character 2)"],
    ["(a", "a ( without a )"],
    ["a)", "a ) without a ( (character 2)"],
    ["a[]b]", "the class that begins at character 2 is not one that is allowed"],
    ["[^]", "the class that begins at character 1 is not one that is allowed"],
    ["[z-a]", "the class that begins at character 1 is not one that is allowed"],
    ["[a-\\d]", "the class that begins at character 1 is not one that is allowed"],
    ["[a-c-e]", "the class that begins at character 1 is not one that is allowed"],
    ["[\\b]", "the class that begins at character 1 is not one that is allowed"],
    ["[[:alpha:]]", "the class that begins at character 1 is not one that is allowed"],
    ["[:alpha:]", "the class that begins at character 1 is not one that is allowed"],
    ["[.a.]", "the class that begins at character 1 is not one that is allowed"],
    ["[==]", "the class that begins at character 1 is not one that is allowed"],
    ["a[b", "the class that begins at character 2 is not one that is allowed"],
    ["ä", "only printable ASCII is allowed (character 1)"],
    ["a\tb", "only printable ASCII is allowed (character 2)"],
    ["a".repeat(201), "longer than 200 characters"],
    ["(?:[ab][cd]){1000}", "too large: more than 1000 parts with its groups repeated"],
    ["((a{99}){99}){99}", "too large: more than 1000 parts with its groups repeated"],
  ])("may not be %s", (text, why) => {
    expect(checkRegex(text)).toBe(why);
  });
});
