import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestStack, type TestStack, withoutScores } from "../support/stack.ts";
import { sendRequests } from "../support/traffic.ts";

/** `routectl decisions` and `routectl canary` against a real router. */
interface Decision {
  readonly at: number;
  readonly router: string;
  readonly requestId: string;
  readonly attempt: number;
  readonly peer: string;
  readonly rule?: number;
  readonly reason: string;
  readonly status?: number;
  readonly tookMs?: number;
  readonly candidates: readonly { id: string; cost?: number; why: string }[];
}

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
  await withoutScores(stack);
});
afterAll(() => stack.close());

const decisions = (...args: string[]) => stack.json<Decision[]>("decisions", "demo", ...args);

test("every request has its decision, newest first, whichever worker has taken it", async () => {
  const { instances } = await sendRequests(stack.router, 200, { connections: 16 });
  const found = await decisions("--limit", "200");
  expect(found).toHaveLength(200);
  expect(found.map(({ at }) => at)).toEqual(found.map(({ at }) => at).sort((a, b) => b - a));
  const byPeer: Record<string, number> = {};
  for (const { peer } of found) byPeer[peer] = (byPeer[peer] ?? 0) + 1;
  expect(byPeer).toEqual(instances);
  for (const one of found) {
    expect(one).toMatchObject({
      router: expect.stringMatching(/^local-/),
      attempt: 1,
      status: 200,
      reason: "least load",
    });
    expect(one.candidates.map(({ id }) => id).sort()).toEqual(["demo-1", "demo-2", "demo-3"]);
    expect(one.candidates.find(({ why }) => why === "picked")!.id).toBe(one.peer);
    for (const { cost } of one.candidates) expect(cost).toBeGreaterThanOrEqual(0);
  }
  expect(await decisions("--limit", "5")).toEqual(found.slice(0, 5));
});

test("one request by its id, as a table with the costs of the candidates", async () => {
  const [, , third] = await decisions("--limit", "3");
  const { requestId, peer } = third!;
  expect(await decisions("--request-id", requestId)).toEqual([third]);
  const { stdout } = await stack.run("decisions", "demo", "--request-id", requestId, "-o", "wide");
  const [head, row, ...rest] = stdout.trimEnd().split("\n");
  expect(head).toMatch(/^TIME +REQUEST +ATTEMPT +PEER +STATUS +TOOK +REASON +ROUTER +MODE +RULE +CANDIDATES$/);
  expect(row).toMatch(
    new RegExp(` ${requestId} +1 +${peer} +200 +\\d+ ms +least load .*${peer} cost [\\d.e-]+ \\(picked\\)`),
  );
  expect(rest).toEqual([]);
  expect(await decisions("--request-id", "nothing")).toEqual([]);
});

test("a canary: its rule, and its instance alone, is in the decisions; all others stay away from it", async () => {
  const own = (
    await stack.json<{ instances: { id: string; metadata: Record<string, string> }[] }>("service", "get", "demo")
  ).instances.find(({ id }) => id === "demo-3")!;
  const metadata = Object.entries({ ...own.metadata, version: "v2" }).flatMap(([key, value]) => [
    "--metadata",
    `${key}=${value}`,
  ]);
  await stack.run("service", "register", "demo", "--id", "demo-3", ...metadata);
  const canary = ["canary", "set", "demo", "--subset", "version=v2"];
  const set = await stack.run(
    ...canary,
    "--header",
    "x-beta=1*",
    "--percent",
    "20",
    "--hash-on",
    "cookie:uid",
    "--wait",
  );
  expect([set.status, set.stderr]).toEqual([0, ""]);

  const beta = await sendRequests(stack.router, 30, { headers: () => ({ "x-beta": "17", cookie: "uid=0" }) });
  expect(beta.instances).toEqual({ "demo-3": 30 });
  expect((await decisions("--limit", "30")).map(({ rule }) => rule)).toEqual(Array(30).fill(1));

  const users = Array.from({ length: 400 }, (_, i) => `user-${i}`);
  const byUser = await sendRequests(stack.router, 400, { headers: (i) => ({ cookie: `uid=${users[i]}` }) });
  expect(byUser.instances["demo-3"]).toBeGreaterThan(50);
  expect(byUser.instances["demo-3"]).toBeLessThan(110);
  const explained = await stack.json<{ rule: number | null }[]>("explain", "demo", "--key", ...users);
  expect(explained.map(({ rule }) => rule === 2)).toEqual(byUser.answers.map((id) => id === "demo-3"));

  await stack.run(...canary, "--percent", "0", "--header", "none", "--wait");
  const none = await sendRequests(stack.router, 200, {
    headers: (i) => ({ "x-beta": "1", cookie: `uid=${users[i]}` }),
  });
  expect(none.instances["demo-3"]).toBeUndefined();
  const cleared = await stack.run("canary", "clear", "demo", "--wait");
  expect(cleared.stdout).toContain("demo: demo-3 may now get any request\n");
  const all = await sendRequests(stack.router, 200);
  expect(all.instances["demo-3"]).toBeGreaterThan(0);
});
