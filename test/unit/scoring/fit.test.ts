import { describe, expect, test } from "vitest";
import { fitCoefficients, type RecordedSample } from "../../../cli/ipconfig/scoring/fit.ts";

/** Uniform in 0..1, the same in every run. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
}

function record(samples: number, latencyOf: (sample: RecordedSample) => number): RecordedSample[] {
  const random = randomNumbers(7);
  return Array.from({ length: samples }, (_, index) => {
    const requestsPerSecond = 100;
    const sample: RecordedSample = {
      at: index * 1000,
      service: "s",
      id: `i-${index % 20}`,
      state: "up",
      cpu: random(),
      memory: random(),
      requestsPerSecond,
      errorsPerSecond: random() * requestsPerSecond,
      inFlight: Math.round(random() * 50),
    };
    return { ...sample, latencyMs: latencyOf(sample) + (random() - 0.5) };
  });
}

describe("fitting", () => {
  test("finds known coefficients within five percent", () => {
    const fit = fitCoefficients(
      record(
        3600,
        ({ cpu, memory, errorsPerSecond, inFlight }) =>
          5 + 40 * cpu! + 8 * memory! + 20 * (errorsPerSecond! / 100) + 0.6 * inFlight!,
      ),
    )!;
    const found = Object.fromEntries(
      fit.terms.map(({ feature, millisecondsPerUnit }) => [feature, millisecondsPerUnit]),
    );
    const known: Record<string, number> = { cpu: 40, memory: 8, errors: 20, inFlight: 0.6 };
    for (const [feature, value] of Object.entries(known))
      expect(Math.abs(found[feature]! / value - 1)).toBeLessThan(0.05);
    expect(Math.abs(fit.interceptMs - 5)).toBeLessThan(0.5);
    expect(fit.rSquared).toBeGreaterThan(0.99);
  });

  test("says that nothing explains what is nothing but noise, and takes off nothing for what makes it faster", () => {
    const noise = randomNumbers(99);
    expect(fitCoefficients(record(2000, () => 20 * noise()))!.rSquared).toBeLessThan(0.05);
    expect(fitCoefficients(record(500, ({ cpu }) => 100 - 50 * cpu!))!.coefficients.cpu).toBe(0);
  });

  test("needs enough samples", () => {
    expect(fitCoefficients(record(5, () => 1))).toBeUndefined();
  });

  test("a figure that hardly changes explains nothing, and keeps its default coefficient", () => {
    const fit = fitCoefficients(
      record(500, ({ errorsPerSecond }) => 10 + errorsPerSecond! / 10).map((sample) => ({
        ...sample,
        cpu: 0.3,
        memory: 0.3 + sample.memory! / 100,
      })),
    )!;
    expect(fit.terms.find(({ feature }) => feature === "cpu")!.millisecondsPerUnit).toBe(0);
    expect(fit.coefficients).toMatchObject({ cpu: 0.8, memory: 0.1 });
    const unvaried = fit.kept.filter(({ why }) => why === "it hardly varied in this record");
    expect(unvaried.map(({ feature }) => feature)).toEqual(["cpu", "memory"]);
  });

  test("a record without errors, or with errors that are fast, does not switch off what errors cost", () => {
    const samples = record(500, ({ cpu, errorsPerSecond }) => 50 + 50 * cpu! - errorsPerSecond! / 5);
    const faultless = samples.map((sample) => ({ ...sample, errorsPerSecond: 0 }));
    for (const recorded of [samples, faultless]) {
      const fit = fitCoefficients(recorded)!;
      expect(fit.coefficients.errors).toBe(0.9);
      expect(fit.kept.map(({ feature }) => feature)).toEqual(["errors"]);
    }
  });

  test("makes of requests in flight what the score makes of them: all of their cost at five times the median", () => {
    const fit = fitCoefficients(record(2000, ({ inFlight }) => 20 + inFlight!))!;
    const inFlight = fit.terms.find(({ feature }) => feature === "inFlight")!.millisecondsPerUnit;
    expect(inFlight).toBeCloseTo(1, 1);
    // The median is about 25 requests and 45 ms: four times the first cost 100 ms, which is 0.56 of four times the second.
    expect(fit.coefficients.inFlight).toBeGreaterThan(0.45);
    expect(fit.coefficients.inFlight).toBeLessThan(0.65);
  });
});
