import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestStack, type TestStack, withoutScores } from "../support/stack.ts";
import { failuresIn, sharesOf, startTraffic } from "../support/traffic.ts";
import { waitFor } from "../support/wait.ts";

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
  await withoutScores(stack);
  await stack.run("policy", "set", "demo", "--algorithm", "adaptive", "--wait");
});
afterAll(() => stack.close());

/** The shares of the next requests. */
async function sharesOfNext(count: number, path?: string): Promise<Record<string, number>> {
  const traffic = startTraffic(stack.router, 200, path);
  await waitFor("traffic", () => traffic.outcomes.length >= count);
  const outcomes = await traffic.stop();
  expect(failuresIn(outcomes)).toEqual([]);
  return sharesOf(outcomes);
}

test("adaptive gives equal instances about equal parts at low load", async () => {
  const shares = await sharesOfNext(900);
  for (const id of ["demo-1", "demo-2", "demo-3"]) expect(Math.abs(shares[id]! - 1 / 3)).toBeLessThan(0.1);
});

test("adaptive turns away from an instance that has become slow, by its latency alone", async () => {
  const { peers } = await stack.json<{ peers: { id: string; port: number }[] }>("peers", "demo");
  const { port } = peers.find(({ id }) => id === "demo-1")!;
  const traffic = startTraffic(stack.router, 200);
  await waitFor("traffic", () => traffic.outcomes.length > 100);
  // Its event loop is busy in slices of 40 ms: every answer waits for one.
  await fetch(`http://127.0.0.1:${port}/demo/?burnMs=15000`);
  const from = traffic.outcomes.length;
  await waitFor("more traffic", () => traffic.outcomes.length > from + 1200);
  const outcomes = await traffic.stop();
  expect(failuresIn(outcomes)).toEqual([]);
  expect(sharesOf(outcomes.slice(from + 400))["demo-1"] ?? 0).toBeLessThan(0.17);
});
