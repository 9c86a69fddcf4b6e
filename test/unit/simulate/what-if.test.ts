import { describe, expect, it } from "vitest";
import type { ServiceState } from "../../../cli/simulate/service-state.ts";
import { DEFAULT_SETTINGS } from "../../../cli/simulate/settings.ts";
import { describeWhatIf, predictionTable, sharesTable } from "../../../cli/simulate/tables.ts";
import { tryWeights, type WhatIf } from "../../../cli/simulate/what-if.ts";
import type { ScoredInstance } from "../../../lua/core/service-list.ts";
import type { Algorithm } from "../../../lua/core/types.ts";
import { NOW_MS, override } from "../core/fixtures.ts";

const settings = { ...DEFAULT_SETTINGS, seconds: 5, routers: [2] };

/** A service of `demo-1`, `demo-2` and so on, whose scores are known. */
function stateOf(algorithm: Algorithm, members: readonly Partial<ScoredInstance>[]): ServiceState {
  const candidates = members.map((member, i): ScoredInstance => {
    const id = `demo-${i + 1}`;
    const place = { id, name: id, address: "127.0.0.1", port: 8081 + i, metadata: {} };
    return { ...place, weight: 100, score: 1, chosen: true, override: undefined, ...member };
  });
  const policy = algorithm === "consistent-hash" ? { algorithm, hashOn: "cookie:uid" } : { algorithm };
  return { service: "demo", revision: 7, policy, candidates, hasScores: true };
}

const alike = (count: number): Partial<ScoredInstance>[] => Array.from({ length: count }, () => ({}));

function whatIf(state: ServiceState, weights: Record<string, number>): WhatIf {
  return tryWeights(state, new Map(Object.entries(weights)), settings, NOW_MS);
}

const sharesOf = ({ peers }: WhatIf["before"]): Record<string, number> =>
  Object.fromEntries(peers.map(({ id, share }) => [id, Number(share.toFixed(3))]));

const trimmed = (cells: readonly string[]): string[] => cells.map((cell) => cell.trim());

describe("what a manual weight would do", () => {
  it("the service goes by weight: what was typed there, the base weight elsewhere, whatever the scores", () => {
    const { before, after } = whatIf(stateOf("adaptive", [{ score: 0.5 }, {}, {}]), { "demo-1": 50 });
    expect(before).toMatchObject({ mode: "normal", algorithm: "adaptive" });
    expect(after).toMatchObject({ mode: "manual", algorithm: "weighted-random" });
    expect(sharesOf(before)).toEqual({ "demo-1": 0.2, "demo-2": 0.4, "demo-3": 0.4 });
    expect(sharesOf(after)).toEqual({ "demo-1": 0.2, "demo-2": 0.4, "demo-3": 0.4 });
    expect(sharesOf(whatIf(stateOf("adaptive", [{}, { score: 0.5 }, {}]), { "demo-1": 50 }).after)).toEqual({
      ...{ "demo-1": 0.2, "demo-2": 0.4, "demo-3": 0.4 },
    });
  });

  it("manual weights that are there stay", () => {
    const state = stateOf("adaptive", [{ override: override({ weight: 10 }) }, {}, {}]);
    const { before, after } = whatIf(state, { "demo-2": 90 });
    expect([before.mode, after.mode]).toEqual(["manual", "manual"]);
    expect(sharesOf(after)).toEqual({ "demo-1": 0.05, "demo-2": 0.45, "demo-3": 0.5 });
  });

  it("an instance that only the best are chosen before takes part then, as in manual mode it does", () => {
    const { before, after } = whatIf(stateOf("adaptive", [{}, {}, { chosen: false }]), { "demo-1": 100 });
    expect(sharesOf(before)["demo-3"]).toBe(0);
    expect(sharesOf(after)["demo-3"]).toBe(0.333);
  });

  it("users of a service without a hash key have no place", () => {
    expect(whatIf(stateOf("adaptive", alike(2)), { "demo-1": 10 }).usersMoved).toBeUndefined();
  });

  it("of users with a place only those move whom the change takes away or brings", () => {
    const state = stateOf("consistent-hash", alike(4));
    expect(whatIf(state, { "demo-1": 100 }).usersMoved).toBe(0);
    const moved = whatIf(state, { "demo-1": 0 }).usersMoved!;
    // A quarter of 10,000, within what chance does to the ring.
    expect(moved).toBeGreaterThan(2000);
    expect(moved).toBeLessThan(3000);
    expect(whatIf(state, { "demo-1": 50 }).usersMoved).toBeLessThan(moved);
  });

  it("an instance that is overloaded makes requests wait", () => {
    const [prediction] = whatIf(stateOf("adaptive", alike(4)), { "demo-1": 1000 }).predictions;
    expect(prediction!.before.p99Ms).toBeLessThan(100);
    expect(prediction!.after.p99Ms).toBeGreaterThan(500);
  });

  it("with nobody left no request is answered", () => {
    const found = whatIf(stateOf("adaptive", alike(2)), { "demo-1": 0, "demo-2": 0 });
    expect(found.predictions[0]!.after.failed).toBe(1);
    expect(sharesOf(found.after)).toEqual({ "demo-1": 0, "demo-2": 0 });
    expect(trimmed(predictionTable(found).rows[0]!)).toContain("-");
  });

  it("a service that nobody serves now has no load that could be predicted", () => {
    const state = stateOf("adaptive", [{ score: 0 }, { score: 0 }]);
    const found = whatIf(state, { "demo-1": 100 });
    expect(found.predictions[0]!.before.requests).toBe(0);
    expect(trimmed(predictionTable(found).rows[0]!).slice(1)).toEqual(["-", "-", "-", "-", "-", "-"]);
  });

  it("is printed with each instance's weight, share and load, before and then", () => {
    const found = whatIf(stateOf("consistent-hash", alike(2)), { "demo-1": 300 });
    const { heads, rows } = sharesTable(found, settings);
    expect(trimmed(heads)).toEqual(["ID", "WEIGHT", "THEN", "SHARE", "THEN", "LOAD", "THEN"]);
    expect(trimmed(rows[0]!)).toEqual(["demo-1", "100", "300", "50.0 %", "75.0 %", "80.0 %", "120.0 %"]);
    const { change, moved, supposed } = describeWhatIf(found, settings);
    expect(change).toBe("demo: mode normal, then manual, algorithm consistent-hash (nothing is written)");
    expect(moved).toMatch(/^users moved: \d+ of 10000 \(\d+\.\d %\)$/);
    expect(supposed).toContain("4 slots, exponential times of 10 ms, load 0.7 to 0.8 now");
  });

  it("says when scores are not known", () => {
    const found = whatIf({ ...stateOf("adaptive", alike(2)), hasScores: false }, { "demo-1": 50 });
    expect(describeWhatIf(found, settings).change).toMatch(/; no ipconfig tells scores: all instances count as /);
  });
});
