import { afterEach, beforeEach, expect, test } from "vitest";
import type { Policy } from "../../lua/core/types.ts";
import { type HttpInstance, peersOf, startHttpInstances } from "../support/http-instance.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { failed, type LoadRequest, shareOf, startLoad } from "../support/load.ts";
import { serviceList } from "../support/scripted-ipconfig.ts";
import { waitFor } from "../support/wait.ts";

/** An instance that dies costs no GET, and sends no POST twice. */
// By weight alone, so that requests go on meeting the dead instance; by load they would turn away from it at once.
const POLICY: Policy = { algorithm: "weighted-random", ejection: { baseMs: 300, maxMs: 600 } };

let instances: HttpInstance[];
let router: LiveRouter;

beforeEach(async () => {
  instances = await startHttpInstances(4);
  const peers = peersOf(instances);
  router = await startLiveRouter({
    shop: serviceList(peers, { policy: POLICY }),
    adaptive: serviceList(peers, { policy: { algorithm: "adaptive" } }),
    eager: serviceList(peers, { policy: { ...POLICY, retries: { nonIdempotent: true } } }),
  });
});
afterEach(async () => {
  await router?.close();
  for (const instance of instances) await instance.kill();
});

const get = (): LoadRequest => ({ path: "/shop/" });
const post = (index: number): LoadRequest => ({ method: "POST", path: "/shop/", body: `order-${index}` });

/** How often each body has come to any instance. */
function arrivals(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const body of instances.flatMap(({ bodies }) => bodies)) counts.set(body, (counts.get(body) ?? 0) + 1);
  return counts;
}

test("an instance that refuses connections: no GET and no POST fails, and every POST comes once", async () => {
  await instances[0]!.kill();
  const [gets, posts] = [startLoad(router.url, 150, get), startLoad(router.url, 150, post)];
  await waitFor("the ejection and some probes", async () => {
    return (await router.metrics()).sum("peer_ejections_total", { service: "shop", peer: "a" }) >= 4;
  });
  const [readings, orders] = [await gets.stop(), await posts.stop()];
  expect(failed(readings)).toEqual([]);
  expect(failed(orders)).toEqual([]);
  expect(orders.length).toBeGreaterThan(100);
  const counts = arrivals();
  expect(orders.filter(({ index }) => counts.get(`order-${index}`) !== 1)).toEqual([]);
});

/** Instances take a while to answer, and one of them dies again and again with requests under way. @returns the orders */
async function stormOf(path: string) {
  for (const { id, behave } of instances) {
    behave((_request, response) => {
      setTimeout(() => response.end(JSON.stringify({ instance: id })), 30);
    });
  }
  const orders = startLoad(router.url, 300, (index) => ({ ...post(index), path }));
  for (let death = 0; death < 6; death++) {
    const dying = instances[death % 2]!;
    await waitFor("orders at the instance", () => dying.underWay() >= 2);
    await dying.kill();
    const answered = orders.answers.length;
    await waitFor("orders without it", () => orders.answers.length > answered + 60);
    await dying.revive();
  }
  return orders.stop();
}

test("an instance that dies in the middle of POSTs: each comes at most once, and only those that it had fail", async () => {
  const orders = await stormOf("/shop/");
  const counts = arrivals();
  expect([...counts].filter(([, count]) => count !== 1)).toEqual([]);
  const lost = failed(orders);
  // Otherwise nobody has died in the middle of anything.
  expect(lost.length).toBeGreaterThan(5);
  expect(lost.every(({ status }) => status === 502)).toBe(true);
  expect(lost.length).toBeLessThan(orders.length / 4);
});

test("with retries.nonIdempotent such POSTs are sent again, and none fails", async () => {
  const orders = await stormOf("/eager/");
  expect(failed(orders)).toEqual([]);
  expect([...arrivals()].filter(([, count]) => count > 1).length).toBeGreaterThan(5);
});

test("an instance that was away for a moment soon has its share again", async () => {
  const load = startLoad(router.url, 200, () => ({ path: "/adaptive/" }));
  const more = async (count: number): Promise<void> => {
    const from = load.answers.length;
    await waitFor("requests", () => load.answers.length >= from + count);
  };
  await more(200);
  await instances[0]!.kill();
  await more(200);
  await instances[0]!.revive();
  await waitFor("its share", () => shareOf(load.answers.slice(-200), "a") > 0.2, 15_000);
  expect(failed(await load.stop())).toEqual([]);
});
