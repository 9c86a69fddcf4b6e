import { InvalidArgumentError } from "commander";
import { describe, expect, it } from "vitest";
import {
  collectMetadata,
  parseAssignments,
  parseHostPort,
  parseNote,
  parseTtl,
  parseWeight,
  parseWhole,
} from "../../../cli/commands/parse.ts";

describe("a time to live", () => {
  it.each([
    ["2s", 2],
    ["30s", 30],
    ["10m", 600],
    ["2h", 7200],
    ["1d", 86_400],
    ["365d", 31_536_000],
  ])("%s is %d seconds", (text, seconds) => expect(parseTtl(text)).toBe(seconds));

  it.each([
    "",
    "10",
    "1s",
    "0s",
    "-5m",
    "1.5h",
    "366d",
    "9999999s",
    "10 m",
    "10M",
    "m",
    "1h30m",
    "Infinitys",
  ])("%j is refused with an example", (text) => {
    expect(() => parseTtl(text)).toThrow(InvalidArgumentError);
    expect(() => parseTtl(text)).toThrow("such as 30s, 10m, 2h or 1d");
  });
});

describe("a weight", () => {
  it.each([
    ["0", 0],
    ["5", 5],
    ["007", 7],
    ["1000", 1000],
  ])("%s is %d", (text, weight) => expect(parseWeight(text)).toBe(weight));

  it.each([
    "",
    "-1",
    "+1",
    "1.5",
    "1e2",
    "1e999",
    "NaN",
    "Infinity",
    "0x10",
    " 5",
    "5 ",
    "1001",
    "10000",
    "٣",
    "5%",
  ])("%j is refused", (text) => expect(() => parseWeight(text)).toThrow("whole number from 0 to 1000"));
});

describe("weights by id", () => {
  it("are read in their order", () => {
    expect([...parseAssignments(["b=1", "a=1000", "constructor=0"])]).toEqual([
      ["b", 1],
      ["a", 1000],
      ["constructor", 0],
    ]);
  });

  it.each([
    [["a"], '"a" is not of the form ID=WEIGHT'],
    [["=5"], '"=5" is not of the form ID=WEIGHT'],
    [["a=1", "a=2"], '"a" is given twice'],
    [["a=x"], 'weight "x" of "a"'],
    [["a="], 'weight "" of "a"'],
    [["a=1=2"], 'weight "1=2" of "a"'],
    [["a\nb=x"], '"a\\nb"'],
  ])("%j is refused", (texts, says) => expect(() => parseAssignments(texts)).toThrow(says));

  it("an id such as __proto__ is left to the check of names", () => {
    expect([...parseAssignments(["__proto__=5"])]).toEqual([["__proto__", 5]]);
  });
});

describe("metadata", () => {
  it("is collected over several options; the last value of a key counts", () => {
    const zone = collectMetadata("zone=a");
    expect(collectMetadata("zone=c", collectMetadata("url=http://x/?a=b", zone))).toEqual({
      zone: "c",
      url: "http://x/?a=b",
    });
    expect(collectMetadata("empty=")).toEqual({ empty: "" });
  });

  it.each(["zone", "=a", "", "__proto__=a"])("%j is refused", (text) => {
    expect(() => collectMetadata(text)).toThrow(InvalidArgumentError);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });
});

describe("HOST:PORT", () => {
  it.each([
    ["127.0.0.1:8080", "127.0.0.1", 8080],
    [":8080", "127.0.0.1", 8080],
    [":0", "127.0.0.1", 0],
    ["[::1]:80", "::1", 80],
    ["localhost:65535", "localhost", 65535],
  ])("%s", (text, host, port) => expect(parseHostPort(text)).toEqual({ host, port }));

  it.each([
    "",
    "8080",
    "127.0.0.1",
    "127.0.0.1:",
    "::1:80",
    "[::1]",
    "x:65536",
    "x:-1",
    "x:1.5",
    "a:b:80",
  ])("%j is refused", (text) => expect(() => parseHostPort(text)).toThrow("of the form HOST:PORT"));
});

it("a whole number is within its bounds", () => {
  const parse = parseWhole(1, 10);
  expect([parse("1"), parse("10")]).toEqual([1, 10]);
  for (const text of ["0", "11", "", "1.0", "1e1", "-1", "9".repeat(30)]) {
    expect(() => parse(text)).toThrow("whole number from 1 to 10");
  }
});

it("a note has at most 512 bytes, as routers count them", () => {
  expect(parseNote("é".repeat(256))).toBe("é".repeat(256));
  expect(() => parseNote("é".repeat(257))).toThrow("512 bytes");
  expect(() => parseNote("x".repeat(513))).toThrow("512 bytes");
});
