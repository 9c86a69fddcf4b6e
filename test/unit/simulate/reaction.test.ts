import { describe, expect, it } from "vitest";
import { watchReaction } from "../../../cli/simulate/reaction.ts";
import { ordinary, run } from "./fixtures.ts";

/** One attempt a millisecond; a fifth of them goes to the server in question until `untilMs`. */
function reactionTo(untilMs: number): number {
  const watch = watchReaction(1000);
  for (let nowMs = 0; nowMs < 10_000; nowMs++) watch.note(nowMs, nowMs % 5 === 0 && nowMs < untilMs, 0.2);
  return watch.reactionMs();
}

describe("the reaction time", () => {
  it("is that until the share begins to be low", () => {
    // A stretch in which it is low begins when less than 0.3 of its fair part is left until then.
    expect(reactionTo(3000)).toBeGreaterThan(1850);
    expect(reactionTo(3000)).toBeLessThanOrEqual(2000);
  });

  it("is nothing where the share is low at once, and infinite where it stays", () => {
    expect(reactionTo(0)).toBe(0);
    expect(reactionTo(1e9)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("a server that becomes slow", () => {
  const change = { atMs: 5000, server: 0, meanMs: 100, isAffected: true };
  const given = { servers: ordinary(5), changes: [change], onsetMs: 5000, perSecond: 1200, seconds: 10 };

  it("is left by adaptive within a few of its answers", () => {
    expect(run({ ...given, contender: "adaptive" }).reactionMs).toBeLessThan(500);
  });

  it("is never left by round robin", () => {
    expect(run({ ...given, contender: "round-robin" }).reactionMs).toBe(Number.POSITIVE_INFINITY);
  });

  it("has no reaction time where nothing sets on", () => {
    const { onsetMs: _, ...without } = given;
    expect(run({ ...without, contender: "adaptive" }).reactionMs).toBeUndefined();
  });
});
