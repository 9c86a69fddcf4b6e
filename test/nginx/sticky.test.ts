import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestStack, type TestStack, withoutScores } from "../support/stack.ts";
import { sendRequests } from "../support/traffic.ts";

const USERS = 1000;
const KEYS = Array.from({ length: USERS }, (_, index) => (index % 3 === 0 ? `ユーザー-${index}` : `user ${index}&=%`));

interface Explanation {
  key: string;
  peer: string;
  order: string[];
}

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
  await withoutScores(stack);
  const set = await stack.run(
    ...["policy", "set", "demo", "--algorithm", "consistent-hash", "--hash-on", "header:x-user-id", "--wait"],
  );
  expect(set.stderr).toBe("");
});
afterAll(() => stack.close());

/** undici sends header values as latin1: one byte a character. */
const headers = (index: number): Record<string, string> => ({
  "x-user-id": Buffer.from(KEYS[index % USERS]!, "utf8").toString("latin1"),
});

test("each user stays on one instance, and explain names that very instance for all of them", async () => {
  const first = await sendRequests(stack.router, USERS, { headers, connections: 32 });
  expect(first.failed).toBe(0);
  const again = await sendRequests(stack.router, USERS, { headers, connections: 8 });
  expect(again.answers).toEqual(first.answers);
  for (const id of ["demo-1", "demo-2", "demo-3"]) expect(first.instances[id]).toBeGreaterThan(USERS / 4);

  const explained = await stack.json<Explanation[]>("explain", "demo", "--key", ...KEYS);
  expect(explained.map(({ peer }) => peer)).toEqual(first.answers);
});

test("taking one instance away moves only its users, each to the next in explain's order", async () => {
  const before = await stack.json<Explanation[]>("explain", "demo", "--key", ...KEYS);
  await stack.run("drain", "demo", "demo-2", "--wait");
  const after = await sendRequests(stack.router, USERS, { headers });
  before.forEach(({ peer, order }, user) => {
    expect(after.answers[user]).toBe(peer === "demo-2" ? order[1] : peer);
  });
  await stack.run("restore", "demo", "demo-2", "--wait");
  const back = await sendRequests(stack.router, USERS, { headers });
  expect(back.answers).toEqual(before.map(({ peer }) => peer));
});

test("manual weights keep the hash key: users stay, shares follow the weights", async () => {
  await stack.run("weight", "set", "demo", "demo-1=60", "demo-2=30", "demo-3=10", "--wait");
  const first = await sendRequests(stack.router, USERS, { headers });
  const again = await sendRequests(stack.router, USERS, { headers });
  expect(again.answers).toEqual(first.answers);
  expect(first.instances["demo-1"]! / USERS).toBeGreaterThan(0.5);
  expect(first.instances["demo-3"]! / USERS).toBeLessThan(0.17);
  await stack.run("weight", "clear", "demo", "--wait");
});

test("the CLI alone, from ipconfig's list, explains as the router does", async () => {
  const byRouter = await stack.json<Explanation[]>("explain", "demo", "--key", ...KEYS.slice(0, 200));
  const nobody = ["--router", "http://127.0.0.1:1"];
  const { runRoutectl } = await import("../support/stack.ts");
  const run = await runRoutectl([
    ...["explain", "demo", "--ipconfig", stack.ipconfig, "-o", "json", ...nobody, "--key", ...KEYS.slice(0, 200)],
  ]);
  const byList = JSON.parse(run.stdout) as Explanation[];
  expect(byList).toEqual(byRouter);
});

test.each([
  ["cookie:uid", "/demo/", (user: number) => ({ cookie: `a=b; uid=c${user}` })],
  ["query:uid", "/demo/?uid=", undefined],
  ["address", "/demo/", () => ({})],
] as const)("a user is also named by %s", async (hashOn, path, header) => {
  await stack.run("policy", "set", "demo", "--hash-on", hashOn, "--wait");
  for (let user = 0; user < 5; user++) {
    const target = path.endsWith("=") ? `${path}q${user}` : path;
    const sent = await sendRequests(stack.router, 40, { path: target, headers: () => header?.(user) ?? {} });
    expect(Object.keys(sent.instances)).toHaveLength(1);
    const key = hashOn === "address" ? "127.0.0.1" : `${hashOn[0]}${user}`;
    expect((await stack.json<Explanation>("explain", "demo", "--key", key)).peer).toBe(sent.answers[0]);
  }
});
