import { afterAll, beforeAll, expect, test } from "vitest";
import { type DemoProcess, startDemoProcesses } from "../support/demo-process.ts";
import type { TestRouter } from "../support/router.ts";
import { startRouterOf } from "../support/router-of.ts";
import { failuresIn, type Outcome, sharesOf, startTraffic } from "../support/traffic.ts";
import { waitFor } from "../support/wait.ts";

/** An instance that fails is left out, tried again by one request at a time, and gets its share back. */
let instances: DemoProcess[];
let router: TestRouter;

beforeAll(async () => {
  instances = await startDemoProcesses(4);
  const ports = instances.map(({ port }) => port);
  router = await startRouterOf({
    shop: { ports, policy: { algorithm: "adaptive", timeouts: { perTryMs: 300 } } },
  });
});
afterAll(async () => {
  await router?.close();
  for (const instance of instances ?? []) await instance.close();
});

interface Service {
  peers: { id: string; state: string }[];
}

const stateOf = async (id: string): Promise<string> =>
  (await router.read<Service>("/v1/services/shop")).peers.find((peer) => peer.id === id)!.state;

const between = (outcomes: readonly Outcome[], from: number, to: number): readonly Outcome[] =>
  outcomes.filter(({ at }) => at >= from && at < to);

test("a frozen instance: no GET fails, it is left out within 3 s, and comes back within 15 s", async () => {
  const traffic = startTraffic(router.url, 300, "/shop/");
  await waitFor("traffic", () => traffic.outcomes.length > 600);
  const frozenAt = Date.now();
  instances[0]!.signal("SIGSTOP");
  await waitFor("the ejection", async () => (await stateOf("a")) === "ejected");
  const ejectedAfterMs = Date.now() - frozenAt;
  await waitFor("some seconds without it", () => Date.now() - frozenAt > 8000, 10_000);
  const thawedAt = Date.now();
  instances[0]!.signal("SIGCONT");
  await waitFor(
    "its share",
    () => {
      const last = traffic.outcomes.slice(-300);
      return (sharesOf(last)["a"] ?? 0) > 0.2;
    },
    15_000,
  );
  const backAfterMs = Date.now() - thawedAt;
  const outcomes = await traffic.stop();
  expect(failuresIn(outcomes)).toEqual([]);
  const without = between(outcomes, frozenAt + 3000, thawedAt);
  expect(sharesOf(without)["a"] ?? 0).toBeLessThan(0.01);
  console.log({ ejectedAfterMs, backAfterMs });
  console.log(
    router
      .log()
      .split("\n")
      .filter((line) => line.includes("routectl:"))
      .join("\n"),
  );
});
