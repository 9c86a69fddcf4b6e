import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { routectl } from "../support/routectl.ts";
import { type FakeRouter, fakeService, startFakeRouter } from "./fake-router.ts";

/** What peers, explain and decisions make of what routers answer. */
let routers: [FakeRouter, FakeRouter];

beforeAll(async () => {
  routers = [await startFakeRouter("edge-1"), await startFakeRouter("edge-2")];
});
afterAll(() => Promise.all(routers.map((router) => router.close())));

const read = async (...args: string[]): Promise<string> => {
  const urls = routers.map(({ url }) => url).join(",");
  const { status, stdout, stderr } = await routectl([...args, "--router", urls]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
};
const rows = (table: string): string[][] =>
  table
    .trimEnd()
    .split("\n")
    .map((line) => line.trim().split(/ {2,}/));

describe("peers", () => {
  const peers = [
    { id: "a", inFlight: 3, metadata: { version: "v2" } },
    { id: "b", state: "ejected", weight: 0, share: 0 },
  ];

  it("an ejected peer is shown as such; wide shows what is in flight", async () => {
    routers[0].answers.set("/v1/services/shop", fakeService("shop", peers));
    const [head, ...table] = rows(await read("peers", "shop", "-o", "wide"));
    expect(head!.join(" ")).not.toContain("panic");
    expect(table).toEqual([
      ["ID", "ADDRESS", "BASE", "SCORE", "WEIGHT", "SHARE", "STATE", "OVERRIDE", "IN FLIGHT", "METADATA"],
      ["a", "10.0.0.1:80", "100", "1", "100", "100.0 %", "up", "-", "3", "version=v2"],
      ["b", "10.0.0.1:80", "100", "1", "0", "0.0 %", "ejected", "-", "0"],
    ]);
    const json = JSON.parse(await read("peers", "shop", "-o", "json"));
    expect(json).toMatchObject({ panic: false, peers: [{ inFlight: 3 }, { state: "ejected" }] });
  });

  it("a panic is in the head", async () => {
    routers[0].answers.set("/v1/services/shop", fakeService("shop", peers, { panic: true }));
    expect(await read("peers", "shop")).toMatch(/^shop: mode normal, [^\n]+, panic: too many instances fail, [^\n]+\n/);
  });
});

it("explain refuses a key that is too long for a URL", async () => {
  const explain = (key: string) => routectl(["explain", "shop", "--key", key, "--router", routers[0].url]);
  for (const key of ["k".repeat(8001), "ü".repeat(1400)]) {
    const { status, stderr } = await explain(key);
    expect(stderr).toMatch(/^routectl: a key of 8[04]0[01] bytes, [^\n]+: 8000 at most\n$/);
    expect(status).toBe(2);
  }
  const key = "k".repeat(8000);
  const explained = { service: "shop", revision: 7, algorithm: "best", mode: "normal", candidates: [], order: ["a"] };
  routers[0].answers.set("/v1/services/shop", fakeService("shop", []));
  routers[0].answers.set("/v1/services/shop/explain", { ...explained, key, peer: "a", rule: null });
  expect((await explain(key)).status).toBe(0);
});

it("explain says which rule takes the key", async () => {
  const rules = [
    { match: { on: "header:x", equals: "1" }, subset: { version: "v3" } },
    { percent: 5, subset: { version: "v2" } },
  ];
  const explained = { service: "shop", revision: 7, algorithm: "best", mode: "normal", candidates: [], order: ["a"] };
  const { answers } = routers[0];
  answers.set("/v1/services/shop", fakeService("shop", [], { policy: { algorithm: "best", rules } }));
  answers.set("/v1/services/shop/explain?key=u1", { ...explained, key: "u1", peer: "a", rule: 2 });
  answers.set("/v1/services/shop/explain?key=u2", { ...explained, key: "u2", peer: "a", rule: null });
  expect(await read("explain", "shop", "--key", "u1")).toMatch(
    /^shop: key u1 goes to a \(mode normal, algorithm best, rule 2: 5 % → version=v2\)\n/,
  );
  expect(await read("explain", "shop", "--key", "u2")).toMatch(
    /^shop: key u2 goes to a \(mode normal, algorithm best\)\n/,
  );
  expect(rows(await read("explain", "shop", "--key", "u1", "u2"))).toEqual([
    ["KEY", "PEER", "THEN", "RULE"],
    ["u1", "a", "2"],
    ["u2", "a", "-"],
  ]);
});

describe("decisions", () => {
  const decision = (at: number, more: object = {}): object => ({
    ...{ requestId: `r${at}`, at, worker: 4, service: "shop", mode: "normal", panic: false, algorithm: "adaptive" },
    ...{ attempt: 1, peer: "a", reason: "least load", status: 200, tookMs: 12, candidateCount: 0, candidates: [] },
    ...more,
  });
  const keep = (router: FakeRouter, decisions: object[], query = "service=shop&limit=20"): void => {
    router.answers.set("/v1/services/shop", fakeService("shop", []));
    router.answers.set("/v1/services", { services: [{ service: "shop" }] });
    router.answers.set(`/v1/decisions?${query}`, { decisions });
  };

  it("of all routers, newest first", async () => {
    keep(routers[0], [decision(5000), decision(2000, { attempt: 2 }), decision(2000)]);
    keep(routers[1], [decision(3000), decision(1000)]);
    const found = JSON.parse(await read("decisions", "shop", "-o", "json"));
    expect(found.map(({ at, attempt, router }: never) => [at, attempt, router])).toEqual([
      [5000, 1, "edge-1"],
      [3000, 1, "edge-2"],
      [2000, 2, "edge-1"],
      [2000, 1, "edge-1"],
      [1000, 1, "edge-2"],
    ]);
  });

  it("no more of all together than --limit, and of one request with --request-id", async () => {
    for (const router of routers)
      keep(router, [decision(2000), decision(1000)], "service=shop&limit=3&requestId=a+b%26");
    const found = JSON.parse(await read("decisions", "shop", "-o", "json", "--limit", "3", "--request-id", "a b&"));
    expect(found).toHaveLength(3);
  });

  it("as a table; wide has the router, the rule and the candidates with their costs", async () => {
    const candidates = [
      { id: "a", weight: 100, cost: 0.123456, why: "picked" },
      { id: "b", weight: 50, cost: 7, why: "not picked" },
      { id: "c", weight: 20, why: "tried before" },
    ];
    keep(routers[0], [
      decision(3000, { status: undefined, tookMs: undefined }),
      decision(2000, { candidates, candidateCount: 40, rule: 2, panic: true, status: 502, tookMs: 1500 }),
      decision(1000, { status: undefined, tookMs: 4 }),
    ]);
    keep(routers[1], []);
    const plain = rows(await read("decisions", "shop"));
    expect(plain.map((cells) => cells.slice(1))).toEqual([
      ["REQUEST", "ATTEMPT", "PEER", "STATUS", "TOOK", "REASON"],
      ["r3000", "1", "a", "under way", "-", "least load"],
      ["r2000", "1", "a", "502", "1.5 s", "least load"],
      ["r1000", "1", "a", "-", "4 ms", "least load"],
    ]);
    expect(plain[1]![0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:03\.000$/);
    const wide = rows(await read("decisions", "shop", "-o", "wide"));
    expect(wide.map((cells) => cells.slice(7))).toEqual([
      ["ROUTER", "MODE", "RULE", "CANDIDATES"],
      ["edge-1", "normal", "-"],
      ["edge-1", "normal, panic", "2", "a cost 0.123 (picked), b cost 7, c weight 20 (tried before), 37 more"],
      ["edge-1", "normal", "-"],
    ]);
  });

  it("a router that does not answer is named, and the others are shown", async () => {
    keep(routers[0], [decision(1000)]);
    const urls = `${routers[0].url},http://127.0.0.1:1`;
    const { status, stdout, stderr } = await routectl(["decisions", "shop", "--router", urls]);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringMatching(/^routectl: warning: no router answers \(http:\/\/127\.0\.0\.1:1: [^\n]+\n$/),
    });
    expect(stdout).toContain("r1000");
  });

  it.each([
    [["decisions", "shp"], 1, "there is no service shp: did you mean shop?"],
    [["decisions", "Shop"], 2, "is not a name"],
    [["decisions", "shop", "--limit", "0"], 2, "from 1 to 1000"],
    [["decisions", "shop", "--router", "http://127.0.0.1:1"], 3, "no router answers"],
  ])("%j", async (args, exit, says) => {
    keep(routers[0], []);
    const env = { ROUTECTL_ROUTER: routers[0].url };
    const { status, stdout, stderr } = await routectl(args, { env });
    expect({ stdout, stderr }).toEqual({ stdout: "", stderr: expect.stringMatching(/^routectl: [^\n]+\n$/) });
    expect(stderr).toContain(says);
    expect(status).toBe(exit);
  });
});
