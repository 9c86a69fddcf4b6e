import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { escapeText, formatPercent, hasHalfPair, utf8Length } from "../../../lua/core/text.ts";

const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary-ascii" }),
);

describe("texts from outside", () => {
  it("cannot forge a log line: what is shown is printable ASCII", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(escapeText(text)).toMatch(/^[ -~]*$/);
      }),
    );
  });

  it("are shown so that they can be told apart", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        fc.pre(Buffer.byteLength(text) <= 80);
        const bytes = escapeText(text).replaceAll(/\\x(..)/g, (_, hex) =>
          String.fromCharCode(Number.parseInt(hex, 16)),
        );
        expect(Buffer.from(bytes, "latin1").toString("utf8")).toBe(text);
      }),
    );
  });

  it("are as long as their UTF-8", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(utf8Length(text)).toBe(Buffer.byteLength(text, "utf8"));
        expect(hasHalfPair(text)).toBe(false);
      }),
    );
  });
});

describe("percentages", () => {
  it("have one decimal and are at most half of a tenth off", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (fraction) => {
        expect(formatPercent(fraction)).toMatch(/^\d{1,3}\.\d %$/);
        expect(Math.abs(Number.parseFloat(formatPercent(fraction)) - fraction * 100)).toBeLessThan(0.0500001);
      }),
    );
  });
});
