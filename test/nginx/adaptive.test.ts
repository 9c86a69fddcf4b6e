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

test("adaptive gives equal instances about equal parts at low load", async () => {
  const traffic = startTraffic(stack.router, 200);
  const window = 500;
  // A machine that is busy with other things makes an instance slow for a moment, and it is right to turn away from it.
  await waitFor(
    "a while of about equal shares",
    () => {
      if (traffic.outcomes.length < window) return false;
      const shares = sharesOf(traffic.outcomes.slice(-window));
      return ["demo-1", "demo-2", "demo-3"].every((id) => Math.abs((shares[id] ?? 0) - 1 / 3) < 0.1);
    },
    50_000,
  );
  expect(failuresIn(await traffic.stop())).toEqual([]);
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
