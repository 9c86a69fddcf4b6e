import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkPolicy, DEFAULT_POLICY, parseHashOn } from "../../../lua/core/policy.ts";
import { ALGORITHMS } from "../../../lua/core/types.ts";
import { EVERY_ALGORITHM, policyOf } from "./fixtures.ts";

describe("a policy", () => {
  it("may have any of the algorithms that the tests know", () => {
    expect([...ALGORITHMS].sort()).toEqual([...EVERY_ALGORITHM].sort());
    for (const algorithm of ALGORITHMS) expect(checkPolicy(policyOf(algorithm))).toBeUndefined();
    expect(checkPolicy(DEFAULT_POLICY)).toBeUndefined();
  });

  it("has no key that is not known: a mistyped one is an error, not a default", () => {
    fc.assert(
      fc.property(fc.string(), (key) => {
        fc.pre(!["algorithm", "hashOn", "maxAttempts", "top", "statusPort", "slowStartMs", "score"].includes(key));
        const policy = Object.fromEntries([
          ["algorithm", "best"],
          [key, 1],
        ]);
        expect(checkPolicy(policy)).toContain("unknown key");
      }),
    );
  });

  it("names a hash key that nginx has a variable for", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("header", "cookie", "query"),
        fc.stringMatching(/^[A-Za-z0-9_]{1,64}$/),
        (from, name) => {
          expect(parseHashOn(`${from}:${name}`)).toEqual({ from, name });
        },
      ),
    );
  });

  it("names nothing that would end a variable's name or begin another", () => {
    for (const name of ["a b", "a$b", "a{b}", "a;b", 'a"b', "a\nb", "a:b", "ä", ""]) {
      for (const from of ["header", "cookie", "query"]) expect(parseHashOn(`${from}:${name}`)).toBeUndefined();
    }
  });
});
