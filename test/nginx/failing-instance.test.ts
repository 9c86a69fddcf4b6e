import { afterEach, beforeEach, expect, test } from "vitest";
import type { Policy } from "../../lua/core/types.ts";
import { answer, type HttpInstance, peersOf, startHttpInstances } from "../support/http-instance.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { failed, shareOf, startLoad } from "../support/load.ts";
import { serviceList } from "../support/scripted-ipconfig.ts";
import { waitFor } from "../support/wait.ts";

/** Instances that answer 500, and what reaches the clients of it. */
const WORKERS = 2;
const PER_SECOND = 200;
const FAILURES_OF_WORKER = 5;
const FREE_RETRIES_OF_WORKER = 10;

let instances: HttpInstance[];
let router: LiveRouter;

beforeEach(async () => {
  instances = await startHttpInstances(4);
  const serve = (policy: Policy) => serviceList(peersOf(instances), { policy });
  router = await startLiveRouter(
    {
      shop: serve({ algorithm: "adaptive" }),
      drawn: serve({ algorithm: "weighted-random", ejection: { baseMs: 300, maxMs: 1200 } }),
      hanging: serve({ algorithm: "adaptive", timeouts: { perTryMs: 100 } }),
    },
    { workers: WORKERS },
  );
});
afterEach(async () => {
  await router?.close();
  for (const instance of instances) await instance.kill();
});

interface Service {
  readonly panic: boolean;
  readonly peers: readonly { readonly id: string; readonly state: string; readonly share: number }[];
}

const read = (service: string): Promise<Service> => router.read<Service>(`/v1/services/${service}`);

/** Lets the first instance answer 500 until `isOver`. Few errors reach clients, but for those of probes. */
async function expectFewErrors(service: string, isOver: (ejections: number, sent: number) => boolean): Promise<void> {
  const [bad] = instances;
  const load = startLoad(router.url, PER_SECOND, () => ({ path: `/${service}/` }));
  await waitFor("all instances to have answered", () => instances.every(({ id }) => shareOf(load.answers, id) > 0));
  bad!.behave(answer("a", { status: 500 }));
  bad!.resetMost();
  const from = load.answers.length;
  const ejections = async () => (await router.metrics()).sum("peer_ejections_total", { service, peer: "a" });
  await waitFor("enough", async () => isOver(await ejections(), load.answers.length - from), 30_000);
  const errors = failed(await load.stop()).length;
  const probes = Math.max(0, (await ejections()) - 1);
  expect(errors).toBeGreaterThan(probes);
  // Requests that are under way at the instance when it is found out can't know better.
  expect(errors - probes).toBeLessThanOrEqual((FAILURES_OF_WORKER + bad!.mostUnderWay() - 1) * WORKERS);
}

test("by load: one instance that answers 500 gets next to nothing, and few errors reach clients", async () => {
  await expectFewErrors("shop", (_ejections, sent) => sent > PER_SECOND * 5);
});

test("by weight: one instance that answers 500 is ejected after five errors a worker, then fails one a probe", async () => {
  await expectFewErrors("drawn", (ejections) => ejections > 5);
  const { panic, peers } = await read("drawn");
  expect(peers.find(({ id }) => id === "a")).toMatchObject({ state: "ejected", share: 0 });
  expect(panic).toBe(false);
});

test("all instances answer 500: panic, and all of them are used", async () => {
  for (const { id, behave } of instances) behave(answer(id, { status: 500 }));
  const load = startLoad(router.url, PER_SECOND, () => ({ path: "/shop/" }));
  await waitFor("panic", async () => (await read("shop")).panic);
  const metrics = await router.metrics();
  expect(metrics.sum("service_panic", { service: "shop" })).toBe(1);
  // More than half of them are ejected; all of them have their weight.
  expect(metrics.sum("peer_ejections_total", { service: "shop" })).toBeGreaterThan(2);
  expect((await read("shop")).peers.map(({ share }) => share)).toEqual([0.25, 0.25, 0.25, 0.25]);
  const from = load.answers.length;
  await waitFor("requests in panic", () => load.answers.length > from + PER_SECOND * 2);
  const during = load.answers.slice(from);
  for (const { id } of instances) expect(shareOf(during, id)).toBeGreaterThan(0.1);

  for (const { behave } of instances) behave();
  await waitFor("the end of panic", async () => !(await read("shop")).panic);
  const well = load.answers.length;
  await waitFor("more requests", () => load.answers.length > well + PER_SECOND);
  expect(failed((await load.stop()).slice(well))).toEqual([]);
  await waitFor("all to be well", async () => (await read("shop")).peers.every(({ state }) => state === "up"));
});

test("no instance answers: requests would all like to be tried again, and a fifth of them is", async () => {
  for (const { behave } of instances) behave(() => undefined);
  const load = startLoad(router.url, PER_SECOND, () => ({ path: "/hanging/" }));
  await waitFor("the panic", async () => (await read("hanging")).panic);
  await waitFor("more requests", () => load.answers.length > PER_SECOND * 6, 20_000);
  const answers = await load.stop();
  expect(answers.every(({ status }) => status === 502 || status === 504)).toBe(true);
  await waitFor("all to be counted", async () => {
    const metrics = await router.metrics();
    return metrics.sum("upstream_response_duration_seconds_count", { service: "hanging" }) === answers.length;
  });
  const metrics = await router.metrics();
  const retries = metrics.sum("service_retries_total", { service: "hanging" });
  const sent = instances.reduce((sum, instance) => sum + instance.count(), 0);
  expect(retries).toBe(sent - answers.length);
  expect(retries).toBeLessThanOrEqual(answers.length * 0.2 + FREE_RETRIES_OF_WORKER * WORKERS);
  // It is the budget that has kept them down.
  expect(retries).toBeGreaterThan(answers.length * 0.1);
  expect(metrics.sum("service_retries_denied_total", { service: "hanging" })).toBeGreaterThan(answers.length * 0.5);
});
