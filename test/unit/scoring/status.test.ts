import { describe, expect, test } from "vitest";
import { decodeStatus, encodeStatus, sanitizeFigures } from "../../../cli/store/status.ts";

describe("what an instance reports", () => {
  test.each([
    ["a CPU of 40", { cpu: 40 }, { cpu: 1 }],
    ["NaN", { cpu: Number.NaN, memory: 0.5 }, { memory: 0.5 }],
    ["infinity", { latencyMs: Number.POSITIVE_INFINITY }, {}],
    ["a negative figure", { inFlight: -3 }, {}],
    ["a text", { cpu: "0.5" }, {}],
    ["a latency of a year", { latencyMs: 3e10 }, { latencyMs: 600_000 }],
  ])("%s is left out or clamped, and told", (_what, raw, expected) => {
    const problems: string[] = [];
    expect(sanitizeFigures(raw, (figure) => problems.push(figure))).toEqual(expected);
    expect(problems).toHaveLength(1);
  });

  test("a CPU a few percent above one is a measuring error, not worth a word", () => {
    expect(sanitizeFigures({ cpu: 1.03 }, () => expect.unreachable())).toEqual({ cpu: 1 });
  });

  test("what is absent stays absent", () => {
    expect(sanitizeFigures({ cpu: undefined, memory: null }, () => expect.unreachable())).toEqual({});
  });

  test.each([
    "",
    "null",
    "[]",
    "{}",
    '{"at":1}',
    '{"at":1,"intervalMs":0,"samples":{}}',
    '{"at":"x","intervalMs":1000,"samples":{}}',
  ])("%s is no status", (text) => {
    expect(decodeStatus(text, () => undefined)).toBeUndefined();
  });

  test("is the same after it went through etcd, but for what was never valid", () => {
    const samples = new Map([
      ["a", { state: "up" as const, cpu: 0.5, inFlight: 3 }],
      ["b", { state: "down" as const, reason: "refused" }],
    ]);
    const text = encodeStatus({ at: 5, intervalMs: 1000, samples });
    expect(decodeStatus(text, () => undefined)).toEqual({ at: 5, intervalMs: 1000, samples });
    const broken = text.replace('"state":"down"', '"state":"magic"');
    expect([...decodeStatus(broken, () => undefined)!.samples.keys()]).toEqual(["a"]);
  });
});
