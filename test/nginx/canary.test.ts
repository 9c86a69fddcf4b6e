import { afterEach, beforeEach, expect, test } from "vitest";
import type { Policy, Rule, RuleMatch } from "../../lua/core/types.ts";
import { answer, type HttpInstance, peersOf, startHttpInstances } from "../support/http-instance.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { failed, type LoadRequest, sendAll, shareOf, startLoad } from "../support/load.ts";
import { serviceList } from "../support/scripted-ipconfig.ts";
import { waitFor } from "../support/wait.ts";

/** Some requests go to a subset of the instances: here `c` is of version v2, `a` and `b` are of v1, and `a` is on the stable track. */
const USERS = 5000;
const V2 = { version: "v2" };

let instances: HttpInstance[];
let router: LiveRouter;

beforeEach(async () => {
  instances = await startHttpInstances(3);
  router = await startLiveRouter({ shop: listWith([]) });
});
afterEach(async () => {
  expect(router.log()).not.toContain("[error]");
  await router?.close();
  for (const instance of instances) await instance.kill();
});

function listWith(rules: readonly Rule[], policy: Partial<Policy> = {}, v2 = true) {
  const metadata = [{ version: "v1", track: "stable" }, { version: "v1" }, V2];
  const peers = peersOf(instances).map((peer, index) => ({ ...peer, metadata: metadata[index]! }));
  const kept = v2 ? peers : peers.slice(0, 2);
  return serviceList(kept, { policy: { algorithm: "adaptive", ...(rules.length > 0 ? { rules } : {}), ...policy } });
}

/** The users whose requests the canary has answered. */
async function usersOfCanary(): Promise<Set<number>> {
  const request = (user: number): LoadRequest => ({ path: "/shop/", headers: { "x-user-id": `user-${user}` } });
  const answers = await sendAll(router.url, USERS, request, 32);
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  return new Set(answers.filter(({ instance }) => instance === "c").map(({ index }) => index));
}

test("a percentage of the users: always the same ones, who stay when it is raised, without a reload", async () => {
  const percent = (part: number) => listWith([{ percent: part, hashOn: "header:x-user-id", subset: V2 }]);
  await router.publish({ shop: percent(5) });
  const few = await usersOfCanary();
  expect(Math.abs(few.size / USERS - 0.05)).toBeLessThan(0.01);
  expect(await usersOfCanary()).toEqual(few);

  await router.publish({ shop: percent(10) });
  const more = await usersOfCanary();
  expect(Math.abs(more.size / USERS - 0.1)).toBeLessThan(0.015);
  expect([...few].filter((user) => !more.has(user))).toEqual([]);
});

const on = (match: RuleMatch): Rule => ({ match, subset: V2 });
const path = "/shop/";

test.each<[string, Rule, LoadRequest, LoadRequest[]]>([
  [
    "a header",
    on({ on: "header:x-beta", equals: "1" }),
    { path, headers: { "x-beta": "1" } },
    [{ path }, { path, headers: { "x-beta": "11" } }],
  ],
  [
    "a cookie",
    on({ on: "cookie:group", prefix: "beta" }),
    { path, headers: { cookie: "a=b; group=beta-3; c=d" } },
    [{ path }, { path, headers: { cookie: "group=alpha" } }],
  ],
  [
    "a query argument",
    on({ on: "query:try", equals: "v2" }),
    { path: `${path}?x=1&try=v2` },
    [{ path }, { path: `${path}?try=v1` }],
  ],
  [
    "a path",
    on({ on: "path", prefix: "/shop/new/" }),
    { path: "/shop/new/item" },
    [{ path }, { path: "/shop/newish" }],
  ],
  [
    "a regular expression",
    on({ on: "header:user-agent", regex: "^Mobile/[0-9]+[.](7|8)$" }),
    { path, headers: { "user-agent": "Mobile/12.7" } },
    [{ path }, { path, headers: { "user-agent": "Mobile/12.9" } }, { path, headers: { "user-agent": "Mobile/1x.7" } }],
  ],
])("%s sends a request to the subset, and nothing else does", async (_what, rule, matching, others) => {
  await router.publish({ shop: listWith([rule]) });
  const taken = await sendAll(router.url, 40, () => matching);
  expect(new Set(taken.map(({ instance }) => instance))).toEqual(new Set(["c"]));
  const left = await sendAll(router.url, 40 * others.length, (index) => others[index % others.length]!);
  expect(new Set(left.map(({ instance }) => instance))).toEqual(new Set(["a", "b"]));
});

test("a regular expression that runs away matches nothing, and holds nobody up", async () => {
  await router.publish({ shop: listWith([on({ on: "header:x-text", regex: "^(a+)+$" })]) });
  const started = performance.now();
  const answers = await sendAll(router.url, 10, () => ({ path, headers: { "x-text": `${"a".repeat(200)}!` } }));
  expect(performance.now() - started).toBeLessThan(5000);
  expect(answers.map(({ status, instance }) => status === 200 && instance !== "c")).not.toContain(false);
  expect(router.log().match(/the regular expression .* of a rule can't be used/g)?.length).toBeLessThanOrEqual(2);
  expect((await sendAll(router.url, 5, () => ({ path, headers: { "x-text": "aaa" } }))).map((a) => a.instance)).toEqual(
    Array(5).fill("c"),
  );
});

test("the first rule that matches decides; a match with a percentage takes that part of those who match", async () => {
  const beta = { on: "header:x-beta", equals: "1" } as const;
  const hashOn = "header:x-user-id";
  const rules: Rule[] = [
    { match: { on: "header:x-stable", equals: "1" }, subset: { version: "v1", track: "stable" } },
    { match: beta, percent: 50, hashOn, subset: V2 },
  ];
  await router.publish({ shop: listWith(rules) });
  const ask = (headers: Record<string, string>) =>
    sendAll(router.url, 600, (user) => ({ path, headers: { "x-user-id": `user-${user}`, ...headers } }));
  const some = await ask({ "x-beta": "1" });
  expect(Math.abs(shareOf(some, "c") - 0.5)).toBeLessThan(0.1);
  expect(shareOf(some, "a")).toBe(0);
  expect(shareOf(await ask({ "x-beta": "1", "x-stable": "1" }), "a")).toBe(1);
  // Instances of a subset get only what rules send them.
  expect(shareOf(await ask({}), "b")).toBe(1);
});

test("a subset without instances leaves its requests to the rest, and that is counted", async () => {
  const rules = [{ percent: 100, subset: V2 }];
  await router.publish({ shop: listWith(rules, {}, false) });
  const answers = await sendAll(router.url, 100, () => ({ path }));
  expect(new Set(answers.map(({ instance }) => instance))).toEqual(new Set(["a", "b"]));
  const fallbacks = async () => (await router.metrics()).sum("service_subset_fallbacks_total", { service: "shop" });
  await expect.poll(fallbacks, { timeout: 5000 }).toBe(100);

  await router.publish({ shop: listWith(rules) });
  const back = await sendAll(router.url, 100, () => ({ path }));
  expect(new Set(back.map(({ instance }) => instance))).toEqual(new Set(["c"]));
  expect(await fallbacks()).toBe(100);
});

test("an ejected instance of a subset is tried by the subset's requests alone", async () => {
  const rules = [on({ on: "header:x-beta", equals: "1" })];
  await router.publish({ shop: listWith(rules, { ejection: { baseMs: 200, maxMs: 200 } }) });
  const [canary] = instances.slice(2);
  canary!.behave(answer("c", { status: 500 }));
  const beta = () => sendAll(router.url, 20, () => ({ path, headers: { "x-beta": "1" } }), 4);
  const ejections = async () => (await router.metrics()).sum("peer_ejections_total", { service: "shop", peer: "c" });
  await waitFor("the ejection", async () => (await beta()).length > 0 && (await ejections()) > 0);
  const before = canary!.count();
  const others = startLoad(router.url, 100, () => ({ path }));
  await waitFor("others' requests", () => others.answers.length > 100);
  expect(failed(await others.stop())).toEqual([]);
  expect(canary!.count()).toBe(before);
  canary!.behave();
  await waitFor("its release", async () => shareOf(await beta(), "c") === 1);
});
