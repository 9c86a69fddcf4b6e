import { afterEach, beforeEach, expect, test } from "vitest";
import type { Policy } from "../../lua/core/types.ts";
import { answer, type HttpInstance, peersOf, startHttpInstances } from "../support/http-instance.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { failed, sendAll, startLoad } from "../support/load.ts";
import { openRawClient } from "../support/raw-http.ts";
import { serviceList } from "../support/scripted-ipconfig.ts";
import { waitFor } from "../support/wait.ts";

/** The router has a ceiling on its requests in flight, and counts down whatever becomes of them. */
const MAX_IN_FLIGHT = 40;
const CLIENTS = 120;
const POLICY: Policy = {
  algorithm: "round-robin",
  timeouts: { perTryMs: 200, streamIdleMs: 1000 },
  ejection: { consecutiveFailures: 0, unanswered: 0, errorPercent: 0 },
};
const LOCATIONS = `
  location ^~ /inner/ { internal; set $routectl_service shop; include routectl/proxy.conf; proxy_pass http://routectl; }
  location ^~ /errors/ { set $routectl_service shop; include routectl/proxy.conf; proxy_intercept_errors on; error_page 500 = /inner/; proxy_pass http://routectl; }
`;

let instances: HttpInstance[];
let router: LiveRouter;

beforeEach(async () => {
  instances = await startHttpInstances(3);
  const peers = peersOf(instances);
  router = await startLiveRouter(
    { shop: serviceList(peers, { policy: POLICY }), slow: serviceList(peers, { policy: { algorithm: "adaptive" } }) },
    { workers: 2, init: `maxInFlight = ${MAX_IN_FLIGHT}`, locations: LOCATIONS },
  );
});
afterEach(async () => {
  await router?.close();
  for (const instance of instances) await instance.kill();
});

const underWay = (): number => instances.reduce((sum, instance) => sum + instance.underWay(), 0);
const inFlight = async () => (await router.metrics()).sum("peer_requests_in_flight");

test("beyond maxInFlight requests are answered 503 with Retry-After, and those in flight are served", async () => {
  const waiting: (() => void)[] = [];
  for (const { id, behave } of instances) {
    behave((request, response, body) => waiting.push(() => answer(id)(request, response, body)));
  }
  const clients = Array.from({ length: CLIENTS }, () => openRawClient(router.url));
  for (const client of clients) client.send("GET /slow/ HTTP/1.1\r\nHost: shop\r\n\r\n");
  const answered = (status: number): number =>
    clients.filter((client) => client.received().startsWith(`HTTP/1.1 ${status} `)).length;
  await waitFor("all to be in flight or refused", () => underWay() + answered(503) === CLIENTS);
  // Each worker has half of them, and perhaps fewer clients than that.
  expect(underWay()).toBeLessThanOrEqual(MAX_IN_FLIGHT);
  expect(underWay()).toBeGreaterThanOrEqual(MAX_IN_FLIGHT / 2);
  expect(clients.find((client) => client.received() !== "")!.received()).toMatch(/^Retry-After: 1\r$/m);
  const labels = { service: "slow", reason: "overloaded" };
  await waitFor("the metrics to say so", async () => {
    const metrics = await router.metrics();
    const refused = metrics.sum("service_requests_refused_total", labels);
    return refused === answered(503) && metrics.sum("peer_requests_in_flight", { service: "slow" }) === underWay();
  });
  const served = underWay();
  for (const answerNow of waiting) answerNow();
  await waitFor("those in flight to be served", () => answered(200) === served);
  await waitFor("nothing in flight", async () => (await inFlight()) === 0);
  for (const client of clients) client.destroy();
});

test("after a storm of aborted, failed, retried and redirected requests nothing is in flight", async () => {
  const [hanging, broken, leaping] = instances;
  hanging!.behave(() => undefined);
  broken!.behave((request, response) => {
    if (Math.random() < 0.5) request.socket.destroy();
    else response.writeHead(500).end();
  });
  leaping!.behave((request, response, body) => {
    if (request.url?.startsWith("/inner/")) answer("c")(request, response, body);
    else response.setHeader("x-accel-redirect", "/inner/file").end();
  });
  const kinds = [
    { path: "/shop/" },
    { path: "/errors/" },
    { path: "/shop/", method: "POST" as const, body: "x".repeat(30_000) },
    { path: "/shop/", headers: { accept: "text/event-stream" } },
  ];
  const load = startLoad(router.url, 200, (index) => kinds[index % kinds.length]!);
  let aborted = 0;
  while (load.answers.length < 800) {
    const from = load.answers.length;
    const client = openRawClient(router.url);
    const isUpgrade = aborted % 2 === 0;
    const headers = isUpgrade ? "Connection: Upgrade\r\nUpgrade: websocket\r\n" : "";
    client.send(`GET /shop/ HTTP/1.1\r\nHost: shop\r\n${headers}\r\n`);
    await waitFor("another answer", () => load.answers.length > from + 1);
    client.destroy();
    aborted++;
  }
  const answers = await load.stop();
  expect(failed(answers).length).toBeGreaterThan(10);
  expect(aborted).toBeGreaterThan(50);
  await waitFor("nothing in flight", async () => (await inFlight()) === 0);
  const sums = await router.metrics();
  expect(sums.sum("service_retries_total")).toBeGreaterThan(10);

  // Whatever had leaked would count against the ceiling now.
  for (const { behave } of instances) behave();
  const calm = await sendAll(router.url, 400, () => ({ path: "/slow/" }), MAX_IN_FLIGHT / 2);
  expect(failed(calm)).toEqual([]);
  expect(router.log()).not.toMatch(/lua entry thread aborted|runtime error/);
});
