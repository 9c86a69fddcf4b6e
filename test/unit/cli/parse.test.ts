import { InvalidArgumentError } from "commander";
import { describe, expect, it } from "vitest";
import {
  collectMatch,
  collectMetadata,
  collectPathPrefix,
  collectSubset,
  parseAssignments,
  parseDuration,
  parseHostPort,
  parseLimit,
  parseNote,
  parsePercent,
  parseTimeout,
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

describe("a length of time", () => {
  it.each([
    ["300ms", 300],
    ["0ms", 0],
    ["2s", 2000],
    ["1.5s", 1500],
    ["2.3s", 2300],
    ["0.001s", 1],
    ["10m", 600_000],
    ["1h", 3_600_000],
    ["7d", 604_800_000],
  ])("%s is %d ms", (text, milliseconds) => expect(parseDuration(text)).toBe(milliseconds));

  it.each([
    "",
    "300",
    "1.5ms",
    "0.0001s",
    "-1s",
    "1 s",
    "2S",
    "s",
    "1m30s",
    "1e3ms",
    "1.s",
    "Infinitys",
    "none",
  ])("%j is refused with an example", (text) => {
    expect(() => parseDuration(text)).toThrow(InvalidArgumentError);
    expect(() => parseDuration(text)).toThrow("such as 300ms, 2s or 1.5s");
  });

  it("a time to wait may be seconds alone", () => {
    expect(["30", "30s", "5m", "24h"].map(parseTimeout)).toEqual([30_000, 30_000, 300_000, 86_400_000]);
    for (const text of ["0", "999ms", "25h", "-1", "", "x"]) expect(() => parseTimeout(text)).toThrow("such as");
  });
});

describe("a percentage", () => {
  it.each([
    ["5", 5],
    ["0", 0],
    ["0.5", 0.5],
    ["100%", 100],
    ["20 %", 20],
  ])("%s is %d", (text, percent) => expect(parsePercent(text)).toBe(percent));

  it.each(["", "-1", "%", "1e1", ".5", "5.", "five", "5%%", "NaN"])("%j is refused", (text) =>
    expect(() => parsePercent(text)).toThrow("percentage, such as 5, 0.5 or 5%"));
});

describe("a rate limit", () => {
  it("is given in whole or in part", () => {
    const whole = { key: "header:x-user-id", rate: 0.5, burst: 20 };
    expect(parseLimit("key=header:x-user-id,rate=0.5,burst=20")).toEqual(whole);
    expect(parseLimit("rate=100, key=address")).toEqual({ rate: 100, key: "address" });
  });

  it("leaves what is no number to the check of policies, which names the field", () => {
    expect(parseLimit("rate=100r/s,burst=")).toEqual({ rate: "100r/s", burst: "" });
  });

  it.each(["", "100", "rate", "rates=1", "rate=1,rate=2", "rate=1,", "__proto__=1"])("%j is refused", (text) =>
    expect(() => parseLimit(text)).toThrow("of the form key=address,rate=100,burst=20"));
});

describe("a subset", () => {
  it("is collected over options, and from what is printed", () => {
    const both = { version: "v2", zone: "a" };
    expect(collectSubset("zone=a", collectSubset("version=v2"))).toEqual(both);
    expect(collectSubset("version=v2,zone=a")).toEqual(both);
  });

  it("a comma that no KEY= follows belongs to the value", () => {
    expect(collectSubset("tags=a,b,zone=c,d")).toEqual({ tags: "a,b", zone: "c,d" });
  });

  it.each(["version", "=v2", "", "__proto__=a"])("%j is refused", (text) =>
    expect(() => collectSubset(text)).toThrow(InvalidArgumentError));
});

describe("a match", () => {
  const header = collectMatch("header");

  it("is collected over options", () => {
    expect(header("x-beta=2*", header("x-beta=1"))).toEqual([
      { on: "header:x-beta", equals: "1" },
      { on: "header:x-beta", prefix: "2" },
    ]);
    expect(collectMatch("query")("q=a=b")).toEqual([{ on: "query:q", equals: "a=b" }]);
  });

  it("none takes away what is there, and what was given before it", () => {
    expect(header("none")).toEqual([]);
    expect(header("none", header("x-beta=1"))).toEqual([]);
    expect(header("none=1")).toEqual([{ on: "header:none", equals: "1" }]);
  });

  it.each(["x-beta", "=1", ""])("%j is refused", (text) =>
    expect(() => header(text)).toThrow("of the form NAME=VALUE, or none"));

  it("a prefix of the path, with a * or without", () => {
    expect(collectPathPrefix("/v3*", collectPathPrefix("/v2/"))).toEqual([
      { on: "path", prefix: "/v2/" },
      { on: "path", prefix: "/v3" },
    ]);
    expect(collectPathPrefix("none")).toEqual([]);
    expect(() => collectPathPrefix("v2")).toThrow("begin with /");
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
