import { describe, expect, it } from "vitest";
import { capacityOf } from "../../../cli/simulate/cluster.ts";
import { CONTENDERS } from "../../../cli/simulate/contenders.ts";
import { runJob } from "../../../cli/simulate/jobs.ts";
import { SCENARIOS, scenarioOf } from "../../../cli/simulate/scenarios.ts";
import { DEFAULT_SETTINGS } from "../../../cli/simulate/settings.ts";

const shape = { servers: 20, slots: 4, meanMs: 10, warmUpMs: 10_000, durationMs: 130_000, seed: 1 };
const serviceTimes = { kind: "exponential", meanMs: 40 } as const;
const short = { ...DEFAULT_SETTINGS, servers: 4, seconds: 3, serviceTimes };

describe.each(SCENARIOS.map(({ name }) => name))("%s", (name) => {
  const cluster = scenarioOf(name).create(shape);

  it("has 20 servers at first, and things happen in order", () => {
    expect(cluster.servers.filter(({ weight }) => weight > 0)).toHaveLength(20);
    const times = cluster.changes.map(({ atMs }) => atMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it("can be run by every contender, with few servers too", () => {
    for (const { name: contender } of CONTENDERS) {
      const { requests, p99Ms } = runJob(short, { scenario: name, contender, routers: 2 });
      expect(requests, contender).toBeGreaterThan(500);
      expect(p99Ms, contender).toBeGreaterThan(40);
    }
    for (const servers of [2, 3]) {
      const few = { ...short, servers, seconds: 3 };
      expect(runJob(few, { scenario: name, contender: "adaptive", routers: 1 }).requests).toBeGreaterThan(100);
    }
  });
});

it("half-slow servers can serve three quarters of what ordinary ones can", () => {
  expect(capacityOf(scenarioOf("equal").create(shape))).toBe(8000);
  expect(capacityOf(scenarioOf("half-slow").create(shape))).toBe(6000);
});

it("slowdowns: one of twenty servers is slow at a time, on average", () => {
  const { changes } = scenarioOf("slowdowns").create({ ...shape, durationMs: 10_000_000 });
  let slowMs = 0;
  for (const { atMs, isAffected } of changes) slowMs += (isAffected === true ? -1 : 1) * Math.min(atMs, 10_000_000);
  expect(slowMs / 10_000_000 / 20).toBeGreaterThan(0.035);
  expect(slowMs / 10_000_000 / 20).toBeLessThan(0.06);
});

it("restart: seven of twenty are away at a time, for two seconds, and all are there in the end", () => {
  const away = new Set<number>();
  let most = 0;
  for (const { server, state } of scenarioOf("restart").create(shape).changes) {
    if (state === "refuses") away.add(server);
    else away.delete(server);
    most = Math.max(most, away.size);
  }
  expect([most, away.size]).toEqual([7, 0]);
});

it("a scenario that is not there is named, with those that are", () => {
  expect(() => scenarioOf("sunny")).toThrow("there is no scenario sunny: choose among equal, half-slow,");
});
