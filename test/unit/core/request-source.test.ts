import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkSource, parseSource } from "../../../lua/core/request-source.ts";

const SOURCES = ["header", "cookie", "query"] as const;
const nameLike = fc.oneof(fc.stringMatching(/^[A-Za-z0-9_]{1,64}$/), fc.stringMatching(/^[\w-]{1,70}$/), fc.string());

describe("where a value of a request comes from", () => {
  it("is a header, a cookie or a query argument that nginx has a variable for, and only a header may have a dash", () => {
    fc.assert(
      fc.property(fc.constantFrom(...SOURCES), nameLike, (from, name) => {
        const isName = (from === "header" ? /^[\w-]{1,64}$/ : /^\w{1,64}$/).test(name);
        expect(parseSource(`${from}:${name}`)).toEqual(isName ? { from, name } : undefined);
      }),
      { numRuns: 500 },
    );
  });

  it("is the path or the client's address, which have no name", () => {
    for (const from of ["path", "address"] as const) {
      expect(parseSource(from)).toEqual({ from, name: "" });
      for (const text of [`${from}:`, `${from}:x`, ` ${from}`, from.toUpperCase()]) {
        expect(parseSource(text)).toBeUndefined();
      }
    }
  });

  it("is nothing that would end a variable's name or begin another", () => {
    for (const name of ["a b", "a$b", "a{b}", "a;b", 'a"b', "a\nb", "a:b", "ä", ""]) {
      for (const from of SOURCES) expect(parseSource(`${from}:${name}`)).toBeUndefined();
    }
  });

  it("is told to whoever wrote it otherwise, together with where it stands", () => {
    for (const value of ["user", "header:", 1, null, {}, []]) {
      expect(checkSource("policy.limit.key", value)).toBe(
        "policy.limit.key: must be header:NAME, cookie:NAME, query:NAME, path or address",
      );
    }
    for (const value of [undefined, "path", "cookie:user"]) expect(checkSource("x", value)).toBeUndefined();
  });
});
