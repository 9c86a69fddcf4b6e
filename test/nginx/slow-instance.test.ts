import { afterAll, beforeAll, expect, test } from "vitest";
import { answer, type HttpInstance, peersOf, startHttpInstances } from "../support/http-instance.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { failed, shareOf, startLoad } from "../support/load.ts";
import { serviceList } from "../support/scripted-ipconfig.ts";
import { undisturbed } from "../support/undisturbed.ts";
import { waitFor } from "../support/wait.ts";

/** One of four instances becomes ten times as slow. How the tail of all requests fares is measured by `npm run bench slow-instance`. */
const FAST_MS = 10;
const SLOW_MS = 100;
const PER_SECOND = 300;
const FAIR = 0.25;
const SECONDS = 5;

let instances: HttpInstance[];
let router: LiveRouter;

beforeAll(async () => {
  instances = await startHttpInstances(4);
  for (const { id, behave } of instances) behave(answer(id, { afterMs: FAST_MS }));
  router = await startLiveRouter({
    shop: serviceList(peersOf(instances), { policy: { algorithm: "adaptive" } }),
  });
});
afterAll(async () => {
  await router?.close();
  for (const instance of instances) await instance.kill();
});

test("an instance that has become ten times as slow has at most 0.3 of a fair share after two seconds, and all of it when it is fast again", async () => {
  const load = startLoad(router.url, PER_SECOND, () => ({ path: "/shop/" }));
  await waitFor("all to have their share", () =>
    instances.every(({ id }) => shareOf(load.answers.slice(-PER_SECOND), id) > FAIR / 2),
  );
  const slowAt = Date.now();
  instances[0]!.behave(answer("a", { afterMs: SLOW_MS }));
  const since = () => load.answers.filter(({ at }) => at > slowAt + 2000);
  await waitFor("some seconds after the first two", () => since().length > PER_SECOND * SECONDS);
  const seconds = Array.from({ length: SECONDS }, (_, second) =>
    since().slice(second * PER_SECOND, (second + 1) * PER_SECOND),
  );
  expect(undisturbed(seconds.map((answers) => shareOf(answers, "a")))).toBeLessThan(FAIR * 0.3);
  // And others hardly wait any longer for it.
  const waiting = seconds.map((answers) => answers.filter(({ ms }) => ms >= SLOW_MS).length / PER_SECOND);
  expect(undisturbed(waiting)).toBeLessThan(FAIR * 0.6);

  // It is tried now and then: else nobody would find out that it has recovered.
  instances[0]!.behave(answer("a", { afterMs: FAST_MS }));
  await waitFor("its share", () => shareOf(load.answers.slice(-PER_SECOND), "a") > FAIR * 0.6, 25_000);
  expect(failed(await load.stop())).toEqual([]);
});
