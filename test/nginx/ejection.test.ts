import { afterAll, beforeAll, expect, test } from "vitest";
import { type DemoProcess, startDemoProcesses } from "../support/demo-process.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { type Answered, failed, shareOf, startLoad } from "../support/load.ts";
import { peer, serviceList } from "../support/scripted-ipconfig.ts";
import { undisturbed } from "../support/undisturbed.ts";
import { waitFor } from "../support/wait.ts";

/** An instance that is frozen is left out, tried again by one request at a time, and gets its share back. */
const PER_SECOND = 300;
const TIMEOUT_MS = 300;

let instances: DemoProcess[];
let router: LiveRouter;

beforeAll(async () => {
  instances = await startDemoProcesses(4);
  const peers = instances.map(({ id, port }) => peer(id, { port }));
  router = await startLiveRouter({
    shop: serviceList(peers, { policy: { algorithm: "adaptive", timeouts: { perTryMs: TIMEOUT_MS } } }),
  });
});
afterAll(async () => {
  await router?.close();
  for (const instance of instances ?? []) await instance.close();
});

const between = (answers: readonly Answered[], from: number, to: number): readonly Answered[] =>
  answers.filter(({ at }) => at >= from && at < to);

/** A counter of the frozen instance, once every worker has told of all that it has counted. */
async function settled(metric: string): Promise<number> {
  let [value, since] = [-1, 0];
  await waitFor(`${metric} to stand still`, async () => {
    const now = (await router.metrics()).sum(metric, { service: "shop", peer: "a" });
    if (now !== value) [value, since] = [now, performance.now()];
    return performance.now() - since > 1300;
  });
  return value;
}

test("a frozen instance: no GET fails, it is left out within 3 s, tried once an ejection time, and comes back within 15 s", async () => {
  const load = startLoad(router.url, PER_SECOND, () => ({ path: "/shop/" }));
  await waitFor("traffic", () => load.answers.length > 2 * PER_SECOND);
  const frozenAt = Date.now();
  instances[0]!.signal("SIGSTOP");
  const ejections = async () => (await router.metrics()).sum("peer_ejections_total", { service: "shop", peer: "a" });
  await waitFor("the first probe to fail", async () => (await ejections()) >= 2);
  const [selections, probes] = [await settled("peer_selections_total"), await ejections()];
  await waitFor("another probe to fail", async () => (await ejections()) > probes);
  expect(await settled("peer_selections_total")).toBe(selections + (await ejections()) - probes);

  const thawedAt = Date.now();
  instances[0]!.signal("SIGCONT");
  const isBack = (): boolean => shareOf(load.answers.slice(-PER_SECOND), "a") > 0.2;
  await waitFor("its share", isBack, 15_000);
  const answers = await load.stop();
  expect(failed(answers)).toEqual([]);
  // Whatever is sent there waits for the timeout. (So may others, on a busy machine.)
  const seconds = Array.from({ length: Math.floor((thawedAt - frozenAt) / 1000) - 3 }, (_, index) => {
    const from = frozenAt + (3 + index) * 1000;
    const sent = between(answers, from, from + 1000);
    return sent.filter(({ ms }) => ms >= TIMEOUT_MS).length / sent.length;
  });
  expect(undisturbed(seconds)).toBeLessThan(0.01);
});
