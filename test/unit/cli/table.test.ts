import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { colours, renderTable } from "../../../cli/output/table.ts";

beforeEach(() => {
  vi.stubEnv("NO_COLOR", undefined);
  vi.stubEnv("FORCE_COLOR", undefined);
});

afterEach(() => vi.unstubAllEnvs());

describe("a table", () => {
  it("has aligned columns, numbers to the right, and no blanks at the ends of lines", () => {
    vi.stubEnv("NO_COLOR", "1");
    const rows = [
      ["demo-1", 5, "new disk"],
      ["a", 1000, ""],
    ];
    expect(renderTable(["ID", "WEIGHT", "REASON"], rows)).toBe(
      ["ID      WEIGHT  REASON", "demo-1       5  new disk", "a         1000"].join("\n"),
    );
  });

  it("without rows is its heads alone", () => {
    vi.stubEnv("NO_COLOR", "1");
    expect(renderTable(["ID", "WEIGHT"], [])).toBe("ID  WEIGHT");
  });

  it("keeps what others have typed from moving the cursor or forging a row", () => {
    vi.stubEnv("NO_COLOR", "1");
    const hostile = "a\nfake row\r\u001b[2J\u009b31m\u0000\tb\u007f";
    const table = renderTable(
      ["ID", "REASON"],
      [
        ["x", hostile],
        ["y", { text: hostile, tone: "bad" }],
      ],
    );
    expect(table.split("\n")).toHaveLength(3);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(table.replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    expect(table).toContain("a?fake row??[2J?31m??b?");
  });

  it("keeps what others have typed from turning the direction of text", () => {
    vi.stubEnv("NO_COLOR", "1");
    const turning = [0x061c, 0x200e, 0x200f, 0x202a, 0x202e, 0x2066, 0x2069].map((code) => String.fromCodePoint(code));
    const table = renderTable(["ID", "REASON"], [["x", `a${turning.join("")}b`]]);
    expect(table.split("\n")[1]).toBe("x   a???????b");
    // Letters that are written from right to left stay.
    expect(renderTable(["ID"], [["דמו"]])).toBe("ID\nדמו");
  });

  it("is painted after it was aligned", () => {
    vi.stubEnv("FORCE_COLOR", "1");
    const painted = renderTable(
      ["ID", "STATE", "N"],
      [
        ["a", { text: "up", tone: "good" }, 1],
        ["b", "unreachable", 2],
      ],
    );
    expect(painted).toContain("\u001b[32m");
    vi.stubEnv("FORCE_COLOR", "0");
    const plain = renderTable(
      ["ID", "STATE", "N"],
      [
        ["a", { text: "up", tone: "good" }, 1],
        ["b", "unreachable", 2],
      ],
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the codes of colours
    expect(painted.replace(/\u001b\[\d+m/g, "")).toBe(plain);
  });
});

describe("colours", () => {
  const level = (isTTY: boolean | undefined): number => colours(isTTY === undefined ? {} : { isTTY }).level;

  it("are for terminals, not for pipes", () => {
    expect([level(true), level(false), level(undefined)]).toEqual([1, 0, 0]);
  });

  it.each([
    ["NO_COLOR", "1", 0],
    ["NO_COLOR", "", 1],
    ["FORCE_COLOR", "1", 1],
    ["FORCE_COLOR", "0", 0],
  ])("on a terminal with %s=%j", (name, value, wanted) => {
    vi.stubEnv(name, value);
    expect(level(true)).toBe(wanted);
  });

  it("in a pipe with FORCE_COLOR", () => {
    vi.stubEnv("FORCE_COLOR", "1");
    expect(level(false)).toBe(1);
  });
});
