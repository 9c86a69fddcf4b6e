import { describe, expect, it } from "vitest";
import { formatDuration, formatTime } from "../../../cli/output/times.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

describe("a length of time has two units at most", () => {
  it.each([
    [0, "0 ms"],
    [849.6, "850 ms"],
    [999.4, "999 ms"],
    [999.6, "1 s"],
    [4200, "4.2 s"],
    [30 * SECOND, "30 s"],
    [59.94 * SECOND, "59.9 s"],
    [59.96 * SECOND, "1 min 0 s"],
    [MINUTE, "1 min 0 s"],
    [3 * MINUTE + 20 * SECOND, "3 min 20 s"],
    [HOUR - 1 * SECOND, "59 min 59 s"],
    [2 * HOUR + 5 * MINUTE, "2 h 5 min"],
    [47 * HOUR + 59 * MINUTE, "47 h 59 min"],
    [49 * HOUR, "2 d 1 h"],
    [365 * 24 * HOUR, "365 d 0 h"],
  ])("%d ms is %s", (milliseconds, text) => expect(formatDuration(milliseconds)).toBe(text));
});

it("a time is local, to the second", () => {
  const time = new Date(2026, 10, 20, 5, 3, 24, 999);
  expect(formatTime(time.getTime())).toBe("2026-11-20 05:03:24");
});
