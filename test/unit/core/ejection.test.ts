import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ejectionMs,
  ejectionSettings,
  failsInARow,
  failsTooOften,
  isPanic,
  rememberedTimes,
} from "../../../lua/core/ejection.ts";

const DEFAULTS = ejectionSettings(undefined);
const anySettings = fc
  .record({ baseMs: fc.integer({ min: 100, max: 60_000 }), maxMs: fc.integer({ min: 100, max: 3_600_000 }) })
  .map((times) => ejectionSettings(times));
const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** How often a peer has been ejected that fails every time that it is tried again. */
function timesAfter(ejections: number): number {
  let times = 0;
  for (let i = 0; i < ejections; i++) times = rememberedTimes(times, 0, DEFAULTS) + 1;
  return times;
}

describe("an instance is ejected", () => {
  it("after five failures in a row, or three requests without an answer, unless the policy says otherwise", () => {
    expect(failsInARow({ consecutiveFailures: 4, unanswered: 2 }, DEFAULTS)).toBe(false);
    expect(failsInARow({ consecutiveFailures: 5, unanswered: 0 }, DEFAULTS)).toBe(true);
    expect(failsInARow({ consecutiveFailures: 3, unanswered: 3 }, DEFAULTS)).toBe(true);
    const patient = ejectionSettings({ consecutiveFailures: 100, unanswered: 50 });
    expect(failsInARow({ consecutiveFailures: 99, unanswered: 49 }, patient)).toBe(false);
  });

  it("when half of at least twenty answers are failures, however they are mixed", () => {
    expect(failsTooOften(20, 9, DEFAULTS)).toBe(false);
    expect(failsTooOften(20, 10, DEFAULTS)).toBe(true);
    expect(failsTooOften(19, 19, DEFAULTS)).toBe(false);
  });

  it("never for a reason whose limit is 0", () => {
    const never = ejectionSettings({ consecutiveFailures: 0, unanswered: 0, errorPercent: 0 });
    fc.assert(
      fc.property(fc.nat(10_000), fc.nat(10_000), (failures, unanswered) => {
        expect(failsInARow({ consecutiveFailures: failures, unanswered }, never)).toBe(false);
        expect(failsTooOften(Math.max(failures, unanswered), failures, never)).toBe(false);
      }),
    );
  });
});

describe("the time for which an instance is left out", () => {
  it("doubles each time, up to its maximum", () => {
    const lengths = [0, 1, 2, 3, 4, 1000].map((times) => ejectionMs(times, 0, DEFAULTS));
    expect(lengths).toEqual([2000, 4000, 6000, 6000, 6000, 6000]);
    expect(ejectionMs(15, 0, ejectionSettings({ baseMs: 100, maxMs: 3_600_000 }))).toBe(3_276_800);
    expect(ejectionMs(16, 0, ejectionSettings({ baseMs: 100, maxMs: 3_600_000 }))).toBe(3_600_000);
  });

  it("is never above its maximum, and at most a fifth shorter for chance", () => {
    fc.assert(
      fc.property(fc.nat(40), anyRandom, anySettings, (times, random, settings) => {
        const ms = ejectionMs(times, random, settings);
        const longest = Math.min(settings.maxMs, settings.baseMs * 2 ** times);
        expect(ms).toBeLessThanOrEqual(longest);
        expect(ms).toBeGreaterThanOrEqual(Math.floor(0.8 * longest));
      }),
    );
  });

  it("differs between instances that failed together", () => {
    const lengths = [0, 0.25, 0.5, 0.75].map((random) => ejectionMs(0, random, DEFAULTS));
    expect(lengths).toEqual([2000, 1900, 1800, 1700]);
  });

  it("is half as long again for every such maximum that the instance has been healthy", () => {
    const times = timesAfter(2);
    expect([5999, 6000, 12_000, 3_600_000].map((ms) => rememberedTimes(times, ms, DEFAULTS))).toEqual([2, 1, 0, 0]);
  });

  it("is what it was for an instance whose health was too short, or measured by a clock that was set back", () => {
    expect(rememberedTimes(2, 0, DEFAULTS)).toBe(2);
    expect(rememberedTimes(2, -60_000, DEFAULTS)).toBe(2);
  });

  it("is forgiven as soon after an hour of failures as after a minute of them", () => {
    const [minute, hour] = [timesAfter(6), timesAfter(360)];
    for (const healthyMs of [6000, 12_000, 18_000]) {
      const after = [minute, hour].map((times) => ejectionMs(rememberedTimes(times, healthyMs, DEFAULTS), 0, DEFAULTS));
      expect(after[1]).toBe(after[0]);
    }
    expect(ejectionMs(rememberedTimes(hour, 18_000, DEFAULTS), 0, DEFAULTS)).toBe(2000);
  });
});

describe("panic", () => {
  it("is when more than half of a service is ejected, or what the policy says", () => {
    expect(isPanic(2, 4, DEFAULTS)).toBe(false);
    expect(isPanic(3, 4, DEFAULTS)).toBe(true);
    expect(isPanic(1, 100, ejectionSettings({ maxEjectedPercent: 0 }))).toBe(true);
    expect(isPanic(1, 4, ejectionSettings({ maxEjectedPercent: 25 }))).toBe(false);
  });

  it("is when all are ejected, whatever the policy says", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 0, max: 100 }), (members, maxEjectedPercent) => {
        expect(isPanic(members, members, ejectionSettings({ maxEjectedPercent }))).toBe(true);
      }),
    );
  });

  it("is not where nobody is ejected", () => {
    for (const maxEjectedPercent of [0, 50, 100]) {
      for (const members of [0, 1, 5]) expect(isPanic(0, members, ejectionSettings({ maxEjectedPercent }))).toBe(false);
    }
  });
});
