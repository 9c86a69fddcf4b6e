import { createScoreboard } from "../../cli/ipconfig/scoreboard.ts";
import { DEFAULT_COEFFICIENTS, featuresOf, medianOf, scoreOf } from "../../cli/ipconfig/scoring/model.ts";
import { createServiceScorer } from "../../cli/ipconfig/scoring/scorer.ts";
import { renderTable } from "../../cli/output/table.ts";
import type { CatalogService } from "../../cli/store/catalog.ts";
import type { Instance } from "../../cli/store/schemas.ts";
import { encodeStatus, type Sample } from "../../cli/store/status.ts";
import type { Policy } from "../../lua/core/types.ts";
import { scoredWeight } from "../../lua/core/weights.ts";
import { type Gate, percentile } from "./gate.ts";
import type { Report } from "./report.ts";

const POLICY: Policy = { algorithm: "weighted-random" };

/** What scoring costs, and how it behaves over an hour with and without damping. */
export async function benchScores(report: Report): Promise<Gate[]> {
  return [...tickOfTenThousand(), ...hour(report)];
}

/** Uniform in 0..1, the same in every run. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
}

function instancesOf(count: number): Map<string, Instance> {
  const ids = Array.from({ length: count }, (_, index) => `i-${index}`);
  return new Map(ids.map((id) => [id, { id, name: id, address: "127.0.0.1", port: 1, weight: 100, metadata: {} }]));
}

/** 100 services of 100 instances, and one of 10,000: a second's samples, from the text in etcd to the weights. */
function tickOfTenThousand(): Gate[] {
  const random = randomNumbers(1);
  const sample = (): Sample => ({
    state: "up",
    cpu: 0.2 + random() * 0.1,
    memory: 0.4,
    requestsPerSecond: 100,
    errorsPerSecond: 0,
    latencyMs: 10 + random() * 5,
    inFlight: 3,
  });
  const gates: Gate[] = [];
  for (const [services, instances] of [
    [100, 100],
    [1, 10_000],
  ] as const) {
    let now = 0;
    const board = createScoreboard(
      () => now,
      () => undefined,
    );
    const found: CatalogService = { policy: POLICY, instances: instancesOf(instances), overrides: new Map() };
    const times: number[] = [];
    for (let second = 0; second < 30; second++) {
      now += 1000;
      const texts = Array.from({ length: services }, () => {
        const samples = new Map([...found.instances.keys()].map((id) => [id, sample()]));
        return encodeStatus({ at: Date.now(), intervalMs: 1000, samples });
      });
      const started = performance.now();
      for (const [index, text] of texts.entries()) board.take(`s-${index}`, "exporter", text, found, false);
      if (second >= 5) times.push(performance.now() - started);
    }
    const name = `a second's samples of ${services} × ${instances} instances, from their text to weights, p50 ms`;
    gates.push({ name, value: percentile(times, 0.5), limit: 50 });
    gates.push({
      name: `${services} × ${instances}: the tick of scoring alone, p50 ms`,
      value: tickAlone(services, instances, sample),
      limit: 20,
    });
  }
  return gates;
}

function tickAlone(services: number, instances: number, sample: () => Sample): number {
  const members = instancesOf(instances);
  const scorers = Array.from({ length: services }, createServiceScorer);
  const times: number[] = [];
  for (let second = 0; second < 30; second++) {
    const samples = new Map([...members.keys()].map((id) => [id, sample()]));
    const started = performance.now();
    for (const scorer of scorers)
      scorer.tick({ at: 0, intervalMs: 1000, samples }, members, POLICY, second * 1000, false);
    if (second >= 5) times.push(performance.now() - started);
  }
  return percentile(times, 0.5);
}

/**
 * An hour of 20 instances with noise on every metric; two are slow for ten minutes each. Load follows the weights, as it
 * does behind a router, so that what flees from one instance lands on the others.
 */
function hour(report: Report): Gate[] {
  const damped = simulate(true);
  const undamped = simulate(false);
  const row = (name: string, { changes, snapshots, largest, oscillation }: typeof damped) => [
    name,
    changes.toFixed(0),
    snapshots,
    largest.toFixed(0),
    `${(oscillation * 100).toFixed(1)} %`,
  ];
  report.print(
    renderTable(
      ["AN HOUR", "SUM OF WEIGHT CHANGES", "SNAPSHOTS", "LARGEST STEP", "OSCILLATION"],
      [row("damped", damped), row("undamped", undamped)],
    ),
  );
  return [
    {
      name: "damped weights on constant load: largest distance from their mean, %",
      value: damped.oscillation * 100,
      limit: 10,
    },
  ];
}

function simulate(withDamping: boolean) {
  const random = randomNumbers(3);
  const members = instancesOf(20);
  const ids = [...members.keys()];
  const scorer = createServiceScorer();
  let weights = ids.map(() => 100);
  let changes = 0;
  let snapshots = 0;
  let largest = 0;
  const constant: number[][] = ids.map(() => []);
  for (let second = 0; second < 3600; second++) {
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const samples = new Map<string, Sample>();
    const means = ids.map((id, index) => {
      const slow =
        (index === 3 && second >= 600 && second < 1200) || (index === 7 && second >= 1500 && second < 2100) ? 4 : 1;
      const load = (weights[index]! / sum) * ids.length;
      const noise = (): number => 0.9 + 0.2 * random();
      const cpu = Math.min(1, 0.4 * load * Math.sqrt(slow) * noise());
      const latencyMs = ((20 * slow) / (1 - Math.min(0.95, cpu * 0.8))) * noise();
      const sample: Sample = {
        state: "up",
        cpu,
        memory: 0.4 + 0.05 * random(),
        requestsPerSecond: 100 * load,
        errorsPerSecond: 0,
        latencyMs,
        inFlight: Math.round(100 * load * (latencyMs / 1000)),
      };
      samples.set(id, sample);
      return sample;
    });
    const published = scorer.tick({ at: 0, intervalMs: 1000, samples }, members, POLICY, second * 1000, false);
    const medians = {
      latencyMs: medianOf(means.map(({ latencyMs }) => latencyMs!)),
      inFlight: medianOf(means.map(({ inFlight }) => inFlight!)),
    };
    const next = ids.map((id, index) => {
      if (withDamping) return published ? scoredWeight(100, scorer.scoreOf(id)) : weights[index]!;
      const { cpu, memory, requestsPerSecond, errorsPerSecond, latencyMs, inFlight } = means[index]!;
      const features = featuresOf(
        { cpu, memory, requestsPerSecond, errorsPerSecond, latencyMs, inFlight },
        medians,
        undefined,
      );
      return scoredWeight(100, scoreOf(features, DEFAULT_COEFFICIENTS, 1));
    });
    const steps = next.map((weight, index) => Math.abs(weight - weights[index]!));
    changes += steps.reduce((total, step) => total + step, 0);
    largest = Math.max(largest, ...steps);
    if (steps.some((step) => step > 0)) snapshots++;
    weights = next;
    // The last twenty minutes are of constant load.
    if (second >= 2400) for (const [index, weight] of weights.entries()) constant[index]!.push(weight);
  }
  const oscillation = Math.max(
    ...constant.map((values) => {
      const mean = values.reduce((total, value) => total + value, 0) / values.length;
      return Math.max(...values.map((value) => Math.abs(value - mean))) / mean;
    }),
  );
  return { changes, snapshots, largest, oscillation };
}
