import { afterEach, beforeEach, expect, test } from "vitest";
import type { Policy } from "../../lua/core/types.ts";
import { answer, type HttpInstance, peersOf, startHttpInstances } from "../support/http-instance.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { failed, type LoadRequest, shareOf, startLoad } from "../support/load.ts";
import { serviceList } from "../support/scripted-ipconfig.ts";
import { waitFor } from "../support/wait.ts";

/** nginx keeps connections to instances open; one that the instance has closed meanwhile says nothing of the instance. */
const POLICY: Policy = { algorithm: "weighted-random", ejection: { baseMs: 60_000, maxMs: 60_000 } };

let instances: HttpInstance[];
let router: LiveRouter;

beforeEach(async () => {
  instances = await startHttpInstances(3);
  router = await startLiveRouter({ shop: serviceList(peersOf(instances), { policy: POLICY }) });
});
afterEach(async () => {
  await router?.close();
  for (const instance of instances) await instance.kill();
});

const get = (): LoadRequest => ({ path: "/shop/" });
const ejections = async () => (await router.metrics()).sum("peer_ejections_total", { service: "shop" });

test("instances that close a connection just after an answer: no request fails, and nobody is ejected", async () => {
  for (const { id, behave } of instances) {
    const whole = answer(id);
    behave((request, response, body) => {
      // Not with `Connection: close`, of which nginx would know.
      response.on("finish", () => request.socket.end());
      whole(request, response, body);
    });
  }
  const load = startLoad(router.url, 300, get);
  await waitFor("requests", () => load.answers.length > 1000);
  expect(failed(await load.stop())).toEqual([]);
  expect(await ejections()).toBe(0);
});

test("an instance that closes its connections just when the next request comes is not ejected", async () => {
  const [closing] = instances;
  const whole = answer("a");
  let stale = 0;
  const used = new WeakSet<object>();
  closing!.behave((request, response, body) => {
    if (used.has(request.socket)) {
      stale++;
      request.socket.destroy();
      return;
    }
    used.add(request.socket);
    whole(request, response, body);
  });
  const load = startLoad(router.url, 300, get);
  await waitFor("requests", () => load.answers.length > 1000);
  const answers = await load.stop();
  expect(failed(answers)).toEqual([]);
  expect(stale).toBeGreaterThan(50);
  expect(await ejections()).toBe(0);
  expect(shareOf(answers, "a")).toBeGreaterThan(0.1);
});

test("an instance that takes every connection and then ends it is ejected, though that looks the same at first", async () => {
  instances[0]!.behave((request) => request.socket.destroy());
  const reads = startLoad(router.url, 150, get);
  const orders = startLoad(router.url, 150, () => ({ ...get(), method: "POST", body: "order" }));
  await waitFor("the ejection", async () => (await ejections()) === 1);
  const [lost, all] = [failed(orders.answers).length, orders.answers.length];
  await waitFor("more orders", () => orders.answers.length > all + 100);
  expect(failed(await reads.stop())).toEqual([]);
  expect(failed(await orders.stop()).length).toBeLessThanOrEqual(lost + 2);
  expect(lost).toBeLessThan(40);
});
