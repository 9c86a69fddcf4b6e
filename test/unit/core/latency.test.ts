import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fadedLatency, nextLatency } from "../../../lua/core/latency.ts";
import { NOW_MS } from "./fixtures.ts";

const latency = fc.double({ min: 0, max: 100_000, noNaN: true });
const elapsed = fc.integer({ min: 0, max: 600_000 });

describe("the latency of a peer", () => {
  it("is that of its slowest answer at once", () => {
    expect(nextLatency(0, 0, 40, NOW_MS)).toBe(40);
    expect(nextLatency(40, NOW_MS, 900, NOW_MS + 1)).toBe(900);
  });

  it("does not come down by one fast answer, but by a few seconds of them", () => {
    let latencyMs = nextLatency(900, NOW_MS, 20, NOW_MS + 50);
    expect(latencyMs).toBeGreaterThan(800);
    for (let elapsedMs = 100; elapsedMs <= 30_000; elapsedMs += 50) {
      latencyMs = nextLatency(latencyMs, NOW_MS + elapsedMs - 50, 20, NOW_MS + elapsedMs);
      if (elapsedMs === 2000) expect(latencyMs).toBeGreaterThan(400);
      if (elapsedMs === 12_000) expect(latencyMs).toBeLessThan(100);
    }
    expect(latencyMs).toBeCloseTo(20, 0);
  });

  it("is always between what was remembered and what was measured", () => {
    fc.assert(
      fc.property(latency, latency, elapsed, (before, sample, elapsedMs) => {
        const after = nextLatency(before, NOW_MS, sample, NOW_MS + elapsedMs);
        const rounding = 1e-9 * Math.max(before, sample);
        expect(after).toBeGreaterThanOrEqual(Math.min(before, sample) - rounding);
        expect(after).toBeLessThanOrEqual(Math.max(before, sample) + rounding);
      }),
    );
  });

  it("keeps half of what is remembered through one fast answer, however long ago the last one was", () => {
    expect(nextLatency(1000, NOW_MS, 20, NOW_MS + 3_600_000)).toBe(510);
    expect(nextLatency(1000, NOW_MS, 20, NOW_MS + 8000)).toBe(510);
    expect(nextLatency(1000, NOW_MS, 20, NOW_MS + 1000)).toBeGreaterThan(650);
  });

  it("fades while nothing is measured: to half in 4 s, to nothing in 8 s", () => {
    expect(fadedLatency(1000, NOW_MS, NOW_MS)).toBe(1000);
    expect(fadedLatency(1000, NOW_MS, NOW_MS + 4000)).toBeCloseTo(500, 9);
    expect(fadedLatency(1000, NOW_MS, NOW_MS + 8000)).toBeCloseTo(0, 9);
  });

  it("never rises and never goes below 0 by fading", () => {
    fc.assert(
      fc.property(latency, elapsed, elapsed, (latencyMs, one, other) => {
        const sooner = fadedLatency(latencyMs, NOW_MS, NOW_MS + Math.min(one, other));
        const later = fadedLatency(latencyMs, NOW_MS, NOW_MS + Math.max(one, other));
        expect(sooner).toBeLessThanOrEqual(latencyMs);
        expect(later).toBeLessThanOrEqual(sooner);
        expect(later).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("stays what it was when the clock is set back", () => {
    expect(fadedLatency(80, NOW_MS, NOW_MS - 3_600_000)).toBe(80);
    expect(nextLatency(80, NOW_MS, 5, NOW_MS - 3_600_000)).toBe(80);
  });

  it("is a number again with the next answer, should it ever have been none", () => {
    expect(nextLatency(Number.NaN, NOW_MS, 12, NOW_MS + 100)).toBe(12);
  });
});
