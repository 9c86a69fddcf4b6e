import { describe, expect, test } from "vitest";
import { createServiceScorer } from "../../../cli/ipconfig/scoring/scorer.ts";
import type { Instance } from "../../../cli/store/schemas.ts";
import type { Sample } from "../../../cli/store/status.ts";
import type { Policy } from "../../../lua/core/types.ts";
import { scoredWeight } from "../../../lua/core/weights.ts";

const POLICY: Policy = { algorithm: "weighted-random" };

function instances(...ids: string[]): Map<string, Instance> {
  return new Map(ids.map((id) => [id, { id, name: id, address: "127.0.0.1", port: 1, weight: 100, metadata: {} }]));
}

/** A service of which each second is told by a function of the instance and the second. */
function run(
  ids: string[],
  seconds: number,
  sampleOf: (id: string, second: number) => Sample | undefined,
  policy: Policy = POLICY,
) {
  const scorer = createServiceScorer();
  const members = instances(...ids);
  const weights: Record<string, number>[] = [];
  let published = 0;
  for (let second = 0; second < seconds; second++) {
    const samples = new Map<string, Sample>();
    for (const id of ids) {
      const sample = sampleOf(id, second);
      if (sample !== undefined) samples.set(id, sample);
    }
    if (scorer.tick({ at: 0, intervalMs: 1000, samples }, members, policy, second * 1000, false)) published++;
    weights.push(
      Object.fromEntries(ids.map((id) => [id, scorer.isChosen(id) ? scoredWeight(100, scorer.scoreOf(id)) : 0])),
    );
  }
  return { scorer, members, weights, published, last: weights.at(-1)! };
}

const idle: Sample = {
  state: "up",
  cpu: 0.02,
  memory: 0.3,
  requestsPerSecond: 10,
  errorsPerSecond: 0,
  latencyMs: 2,
  inFlight: 0,
};
const ABC = ["a", "b", "c"];

describe("scores", () => {
  test("of equal instances are equal, and noise publishes nothing", () => {
    const noise = (): number => Math.random() * 0.03;
    const { weights, published } = run(ABC, 120, () => ({
      ...idle,
      cpu: 0.05 + noise(),
      memory: 0.31 + noise(),
      latencyMs: 2 + 3 * Math.random(),
    }));
    for (const second of weights) {
      const present = Object.values(second);
      expect(Math.max(...present) / Math.min(...present)).toBeLessThan(1.1);
    }
    expect(published).toBeLessThanOrEqual(3);
  });

  test("of a busy instance fall below half within three seconds, step by step, and come back", () => {
    const { weights } = run(ABC, 40, (id, second) =>
      id === "a" && second >= 10 && second < 20 ? { ...idle, cpu: 1 } : idle,
    );
    expect(weights[9]!.a).toBeGreaterThan(90);
    expect(weights[12]!.a).toBeLessThan(40);
    expect(weights[19]!.a).toBeGreaterThanOrEqual(5);
    // Fifteen seconds after: its share.
    const { a, b, c } = weights[34] as Record<"a" | "b" | "c", number>;
    expect(a / (a + b + c)).toBeGreaterThan(0.9 / 3);
    for (let second = 1; second < 40; second++) {
      expect(weights[second]!.a! - weights[second - 1]!.a!).toBeLessThanOrEqual(11);
      expect(weights[second - 1]!.a! - weights[second]!.a!).toBeLessThanOrEqual(51);
    }
  });

  test("are relative: a service in which all are slow is not a service of sick instances", () => {
    const { last } = run(ABC, 20, () => ({ ...idle, latencyMs: 800, inFlight: 60 }));
    expect(last).toEqual({ a: 100, b: 100, c: 100 });
  });

  test("of one that is five times as slow as the others are lower, as are those of one that fails", () => {
    const slow = run(ABC, 20, (id) => ({ ...idle, latencyMs: id === "a" ? 500 : 100 }));
    expect(slow.last.a).toBeLessThan(60);
    const failing = run(ABC, 20, (id) => ({ ...idle, errorsPerSecond: id === "a" ? 10 : 0 }));
    expect(failing.last.a).toBeLessThan(20);
  });

  test("never take an instance that lives below a twentieth of its weight", () => {
    const { last } = run(ABC, 60, (id) =>
      id === "a" ? { ...idle, cpu: 1, latencyMs: 5000, errorsPerSecond: 10 } : idle,
    );
    expect(last.a).toBe(5);
  });

  test("of an instance that is down are 0 at once, and it starts slowly when it is back", () => {
    const { weights } = run(ABC, 40, (id, second) =>
      id === "a" && second >= 5 && second < 10 ? { state: "down", reason: "refused" } : idle,
    );
    expect(weights[5]!.a).toBe(0);
    expect(weights[10]!.a).toBe(5);
    expect(weights[15]!.a).toBeGreaterThan(30);
    expect(weights[15]!.a).toBeLessThan(70);
    expect(weights[22]!.a).toBeGreaterThan(90);
  });

  test("stay as they were when all are down at once: more likely the exporter is blind", () => {
    expect(run(ABC, 10, () => ({ state: "down" })).last).toEqual({ a: 100, b: 100, c: 100 });
  });

  test("of a silent one among others decay to the floor, and an unscored one stays neutral", () => {
    const { weights } = run(ABC, 40, (id, second) =>
      id === "c" ? undefined : id === "a" && second >= 5 ? { state: "silent" } : idle,
    );
    expect(weights[6]!.a).toBeLessThan(70);
    expect(weights[12]!.a).toBeLessThanOrEqual(10);
    expect(weights[39]).toEqual({ a: 5, b: 100, c: 100 });
  });

  test("of one that is not asked any more stay for five seconds, and are neutral then, as for a second ipconfig", () => {
    for (const last of [{ ...idle, cpu: 1 }, { state: "down" }, { state: "silent" }] satisfies Sample[]) {
      const { weights } = run(ABC, 20, (id, second) => (id !== "a" ? idle : second < 10 ? last : undefined));
      expect(weights[9]!.a).toBeLessThan(50);
      expect(weights[13]!.a).toBe(weights[9]!.a);
      expect(weights[14]!.a).toBe(100);
      expect(weights[19]).toEqual({ a: 100, b: 100, c: 100 });
    }
  });

  test("are neutral when nobody reports any more", () => {
    const { scorer, members } = run(ABC, 20, (id) => ({ ...idle, cpu: id === "a" ? 1 : 0 }));
    expect(scorer.scoreOf("a")).toBeLessThan(0.5);
    expect(scorer.forget(members)).toBe(true);
    for (const id of ABC) expect(scorer.scoreOf(id)).toBe(1);
  });

  test("of an instance that joins later start slowly, from its registration on", () => {
    const scorer = createServiceScorer();
    const ofTwo = new Map<string, Sample>(["a", "b"].map((id) => [id, idle]));
    const tick = (ids: string[], samples: Map<string, Sample>, second: number): unknown =>
      scorer.tick({ at: 0, intervalMs: 1000, samples }, instances(...ids), POLICY, second * 1000, false);
    expect(scorer.scoreOf("a")).toBe(1);
    for (let second = 0; second < 5; second++) tick(["a", "b"], ofTwo, second);
    // Registered, and not known to the exporter yet.
    expect(scorer.scoreOf("c")).toBeCloseTo(0.05, 2);
    tick(ABC, ofTwo, 5);
    expect(scorer.scoreOf("c")).toBeCloseTo(0.05, 2);
    tick(ABC, ofTwo, 7);
    expect(scorer.scoreOf("c")).toBeCloseTo(0.2, 2);
    tick(ABC, new Map([...ofTwo, ["c", idle]]), 10);
    expect(scorer.scoreOf("c")).toBeCloseTo(0.5, 2);
    // One that never reports.
    tick([...ABC, "d"], ofTwo, 11);
    tick([...ABC, "d"], ofTwo, 21);
    expect(scorer.scoreOf("d")).toBe(1);
    expect(scorer.scoreOf("a")).toBeGreaterThan(0.9);
  });

  test("of an instance that joins later are whole at once where the policy says so", () => {
    const scorer = createServiceScorer();
    const status = { at: 0, intervalMs: 1000, samples: new Map<string, Sample>([["a", idle]]) };
    const policy: Policy = { ...POLICY, slowStartMs: 0 };
    scorer.tick(status, instances("a"), policy, 0, false);
    expect(scorer.scoreOf("b")).toBe(1);
    scorer.tick(status, instances("a", "b"), policy, 1000, false);
    expect(scorer.scoreOf("b")).toBe(1);
  });

  test("keep the K best only, and two of about the same score do not change places", () => {
    const { weights } = run(
      ["a", "b", "c", "d"],
      60,
      (id, second) => ({
        ...idle,
        cpu: id === "d" ? 0.9 : id === "a" ? 0.1 : 0.2 + 0.05 * Math.sin(second + (id === "b" ? 0 : 3)),
      }),
      { ...POLICY, top: 2 },
    );
    const chosen = weights.slice(20).map((second) =>
      Object.keys(second)
        .filter((id) => second[id]! > 0)
        .join(),
    );
    expect(new Set(chosen).size).toBe(1);
    expect(chosen[0]).toMatch(/^a,[bc]$/);
  });

  test("never choose an instance that was taken out by its base weight, nor count it among the living", () => {
    const scorer = createServiceScorer();
    const members = instances(...ABC);
    members.set("c", { ...members.get("c")!, weight: 0 });
    const tick = (sampleOf: (id: string) => Sample, policy: Policy): void => {
      const samples = new Map(ABC.map((id) => [id, sampleOf(id)]));
      scorer.tick({ at: 0, intervalMs: 1000, samples }, members, policy, 0, false);
    };
    tick((id) => (id === "c" ? idle : { ...idle, cpu: 0.4 }), { ...POLICY, top: 1 });
    expect(ABC.filter((id) => scorer.isChosen(id))).toEqual(["a"]);
    tick((id) => (id === "c" ? idle : { state: "down" }), POLICY);
    expect(scorer.scoreOf("a")).toBe(1);
  });
});
