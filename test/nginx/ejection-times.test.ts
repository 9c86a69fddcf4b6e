import { afterEach, beforeEach, expect, test } from "vitest";
import type { Ejection } from "../../lua/core/types.ts";
import { answer, type HttpInstance, peersOf, startHttpInstances } from "../support/http-instance.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { type Load, startLoad } from "../support/load.ts";
import { serviceList } from "../support/scripted-ipconfig.ts";
import { waitFor } from "../support/wait.ts";

/** For how long, and of how many, peers are ejected, and how they are tried again. */
const BASE_MS = 200;
const MAX_MS = 1600;
const LONG: Ejection = { baseMs: 60_000, maxMs: 60_000 };

let instances: HttpInstance[];
let router: LiveRouter;
let load: Load;

beforeEach(async () => {
  instances = await startHttpInstances(5);
  const serve = (ejection: Ejection) =>
    serviceList(peersOf(instances), {
      policy: { algorithm: "round-robin", ejection, timeouts: { perTryMs: 1000 } },
    });
  router = await startLiveRouter({ shop: serve({ baseMs: BASE_MS, maxMs: MAX_MS }), long: serve(LONG) });
});
afterEach(async () => {
  await load?.stop();
  await router?.close();
  for (const instance of instances) await instance.kill();
});

function sendTo(service: string): void {
  load = startLoad(router.url, 100, () => ({ path: `/${service}/` }));
}

/** The ejection times of an instance so far, in seconds, as the log has them. */
const ejections = (id: string): number[] =>
  [...router.log().matchAll(new RegExp(`peer ${id} of \\w+ is ejected for ([\\d.]+) s`, "g"))].map(([, s]) =>
    Number(s),
  );

async function states(service: string): Promise<string[]> {
  const { peers } = await router.read<{ peers: { state: string }[] }>(`/v1/services/${service}`);
  return peers.map(({ state }) => state);
}

test("each ejection takes twice as long as the one before, up to the limit; health makes them shorter again", async () => {
  sendTo("shop");
  const [bad] = instances;
  bad!.behave(answer("a", { status: 500 }));
  await waitFor("five ejections", () => ejections("a").length >= 5, 20_000);
  bad!.behave();
  await waitFor("the release", async () => (await states("shop"))[0] === "up");
  const releasedAt = Date.now();
  const first = ejections("a");
  // Jitter takes up to a fifth off; the log has tenths of a second.
  const expected = [BASE_MS, BASE_MS * 2, BASE_MS * 4, MAX_MS, MAX_MS];
  expected.forEach((ms, index) => {
    expect(first[index]).toBeGreaterThanOrEqual((ms * 0.8) / 1000 - 0.05);
    expect(first[index]).toBeLessThanOrEqual(ms / 1000 + 0.05);
  });
  await waitFor("twice the longest time in health", () => Date.now() - releasedAt > MAX_MS * 2 + 200);
  bad!.behave(answer("a", { status: 500 }));
  await waitFor("another ejection", () => ejections("a").length > first.length);
  // Three doublings lead to the limit; two of them are forgotten.
  expect(ejections("a")[first.length]).toBeLessThanOrEqual((BASE_MS * 2) / 1000 + 0.05);
});

test("never more than half of a service is ejected: of five two can be, with a third that fails nobody is", async () => {
  sendTo("long");
  const fail = (index: number) => instances[index]!.behave(answer(instances[index]!.id, { status: 500 }));
  fail(0);
  fail(1);
  await waitFor("two ejections", () => ejections("a").length + ejections("b").length === 2);
  expect(await states("long")).toEqual(["ejected", "ejected", "up", "up", "up"]);
  const [before] = [instances[0]!.count()];
  fail(2);
  await waitFor("the panic", async () => (await router.metrics()).sum("service_panic", { service: "long" }) === 1);
  expect(await states("long")).toEqual(["up", "up", "up", "up", "up"]);
  await waitFor("all to be used", () => instances[0]!.count() > before + 10);
  // The third one answers again: two are ejected as before.
  instances[2]!.behave();
  await waitFor("the end of it", async () => (await states("long")).join() === "ejected,ejected,up,up,up");
});

test("one request at a time tries an ejected instance, whichever worker has it", async () => {
  const [silent] = instances;
  silent!.behave(() => undefined);
  sendTo("shop");
  await waitFor("the ejection", () => ejections("a").length > 0);
  await waitFor("those before it to be given up", () => silent!.underWay() === 0);
  silent!.resetMost();
  const before = silent!.count();
  await waitFor("more ejections", () => ejections("a").length >= 4, 20_000);
  // Each try takes as long as its timeout, and at a hundred requests a second none of the others joins it.
  expect(silent!.mostUnderWay()).toBe(1);
  expect(silent!.count() - before).toBeLessThanOrEqual(ejections("a").length);
});
