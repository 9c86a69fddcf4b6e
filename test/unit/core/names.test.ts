import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isMetadataKey, isName } from "../../../lua/core/names.ts";

const NAME = /^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/;
const METADATA_KEY = /^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,62}[a-zA-Z0-9])?$/;

const nearly = fc.oneof(
  fc.string({ unit: fc.constantFrom(..."az09._-A \nü\u212a"), maxLength: 6 }),
  fc.stringMatching(NAME),
  fc.string({ unit: "binary" }),
  fc.integer({ min: 60, max: 70 }).map((length) => "a".repeat(length)),
);

describe("names", () => {
  it("are what the documented pattern says", () => {
    fc.assert(
      fc.property(nearly, (text) => {
        expect(isName(text)).toBe(NAME.test(text));
        expect(isMetadataKey(text)).toBe(METADATA_KEY.test(text));
      }),
      { numRuns: 2000 },
    );
  });

  it("are texts", () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        if (typeof value !== "string") expect(isName(value)).toBe(false);
      }),
    );
  });
});
