import { describe, expect, it } from "vitest";
import { figuresOf } from "../../../cli/simulate/figures.ts";
import type { Algorithm } from "../../../lua/core/types.ts";
import { simulateServers } from "./simulation.ts";

const LOAD = 0.75;

/** The 99th percentile of the response time of 20 servers, in ms; 8 workers, which know nothing of each other. */
function p99(algorithm: Algorithm, meanMs: (server: number) => number): number {
  const servers = Array.from({ length: 20 }, (_, i) => ({ meanMs: meanMs(i) }));
  const capacity = servers.reduce((sum, server) => sum + 4000 / server.meanMs, 0);
  const traffic = { requestsPerSecond: LOAD * capacity, requests: 60_000, warmUp: 6000 };
  return figuresOf(simulateServers(algorithm, servers, traffic)).p99Ms;
}

describe("how long requests take, simulated", () => {
  it("adaptive is not above weighted-random where all servers are equal", () => {
    const ten = () => 10;
    expect(p99("adaptive", ten)).toBeLessThanOrEqual(p99("weighted-random", ten));
    expect(p99("least-request", ten)).toBeLessThanOrEqual(p99("weighted-random", ten));
  });

  it("adaptive is clearly below weighted-random and least-request where half of the servers have half the speed", () => {
    const mixed = (server: number) => (server % 2 === 0 ? 10 : 20);
    const adaptive = p99("adaptive", mixed);
    expect(adaptive).toBeLessThan(p99("least-request", mixed));
    expect(adaptive).toBeLessThan((2 / 3) * p99("weighted-random", mixed));
  });
});
