import { afterAll, beforeAll, expect, test } from "vitest";
import { policySchema } from "../../cli/store/schemas.ts";
import { checkPolicy } from "../../lua/core/policy.ts";
import type { Policy } from "../../lua/core/types.ts";
import { type HttpInstance, peersOf, startHttpInstances } from "../support/http-instance.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { sendAll } from "../support/load.ts";
import { serviceList } from "../support/scripted-ipconfig.ts";
import { waitFor } from "../support/wait.ts";

/** What a policy may not be: the router refuses it in the very words of ipconfig and the CLI, and with it all that came along. */
let instances: HttpInstance[];
let router: LiveRouter;

beforeAll(async () => {
  instances = await startHttpInstances(3);
  router = await startLiveRouter(lists({ algorithm: "round-robin" }, 2));
});
afterAll(async () => {
  await router?.close();
  for (const instance of instances ?? []) await instance.kill();
});

const lists = (policy: Policy, members: number) => ({
  blog: serviceList(peersOf(instances), { policy }),
  shop: serviceList(peersOf(instances.slice(0, members))),
});

const rejections = async () => (await router.metrics()).sum("snapshot_rejected_total", { reason: "invalid" });

test.each<[string, object]>([
  ["an unknown key", { algorithm: "adaptive", stickyness: true }],
  ["an unknown key deep in it", { algorithm: "adaptive", ejection: { baseMs: 1000, baseSeconds: 1 } }],
  ["a rule without a subset", { algorithm: "adaptive", rules: [{ percent: 5 }] }],
  [
    "a broken regular expression",
    { algorithm: "adaptive", rules: [{ match: { on: "path", regex: "(a" }, subset: { version: "v2" } }] },
  ],
  [
    "more than 100 percent",
    { algorithm: "adaptive", rules: [60, 50].map((percent) => ({ percent, subset: { v: "2" } })) },
  ],
  ["a limit without a key", { algorithm: "adaptive", limit: { rate: 1, burst: 1 } }],
  ["a cookie that is none", { algorithm: "adaptive", sticky: { cookie: "a;b" } }],
  ["a time out of range", { algorithm: "adaptive", timeouts: { perTryMs: 0 } }],
])("%s: the whole snapshot is refused, and the lists in force stay", async (_what, policy) => {
  const reason = checkPolicy(policy);
  expect(reason).toMatch(/^policy/);
  expect(policySchema.safeParse(policy).success).toBe(false);
  const before = await rejections();
  router.offer(lists(policy as Policy, 3));
  await waitFor("the refusal", () => router.log().includes(`(invalid: services.blog.${reason})`));
  expect(await rejections()).toBeGreaterThan(before);
  const answers = await sendAll(router.url, 60, () => ({ path: "/shop/" }));
  expect(new Set(answers.map(({ instance }) => instance))).toEqual(new Set(["a", "b"]));
  const { policy: inForce } = await router.read<{ policy: Policy }>("/v1/services/blog");
  expect(inForce).toEqual({ algorithm: "round-robin" });
});

test("the next good snapshot is taken", async () => {
  const policy: Policy = { algorithm: "adaptive", rules: [{ percent: 5, subset: { version: "v2" } }] };
  await router.publish(lists(policy, 3));
  expect((await router.read<{ policy: Policy }>("/v1/services/blog")).policy).toEqual(policy);
  expect((await router.read<{ peers: object[] }>("/v1/services/shop")).peers).toHaveLength(3);
});
