import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ServiceList } from "../../lua/core/types.ts";
import { type HttpInstance, peersOf, startHttpInstances } from "../support/http-instance.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { serviceList } from "../support/scripted-ipconfig.ts";

/** nginx reads a body before it picks an instance: what has changed meanwhile counts, and the reading does not. */
let instances: HttpInstance[];
let router: LiveRouter;

const listOf = (chosen: readonly HttpInstance[]): ServiceList =>
  serviceList(peersOf(chosen), { policy: { algorithm: "adaptive", timeouts: { perTryMs: 500, overallMs: 600 } } });

beforeAll(async () => {
  instances = await startHttpInstances(2);
  router = await startLiveRouter({ shop: listOf([instances[0]!]) });
});
afterAll(async () => {
  await router?.close();
  for (const instance of instances ?? []) await instance.kill();
});

/** A POST whose second half comes when the first one is at nginx and `meanwhile` is done. */
async function slowPost(meanwhile: () => Promise<void>): Promise<{ status: number; answer: string }> {
  const request = httpRequest(`${router.url}/shop/`, { method: "POST", headers: { "content-length": 10 } });
  const response = once(request, "response");
  request.write("first");
  await meanwhile();
  request.end("later");
  const [message] = (await response) as [import("node:http").IncomingMessage];
  return { status: message.statusCode!, answer: await text(message) };
}

test("a body that takes longer than all tries may: the time for them begins with the first one", async () => {
  const { status } = await slowPost(async () => void (await delay(1000)));
  expect(status).toBe(200);
});

test("the instance has gone while the body came: the request goes to another one, and arrives once", async () => {
  const [before, after] = instances;
  const { status, answer } = await slowPost(async () => {
    await router.publish({ shop: listOf([after!]) });
    await before!.kill();
  });
  expect(status).toBe(200);
  expect(JSON.parse(answer)).toEqual({ instance: after!.id });
  expect(after!.bodies).toEqual(["firstlater"]);
});
