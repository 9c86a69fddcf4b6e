import { randomUUID } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Policy } from "../../lua/core/types.ts";
import { type HttpInstance, peersOf, startHttpInstances } from "../support/http-instance.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { failed, sendAll } from "../support/load.ts";
import { serviceList } from "../support/scripted-ipconfig.ts";
import { childrenOf } from "../support/stack.ts";
import { waitFor } from "../support/wait.ts";

/** What a router tells of its decisions: in answers where that is asked for, in the access log, and when it is asked later. */
const LOG = join(tmpdir(), `routectl-access-${randomUUID()}.log`);
const INCLUDES = "set $routectl_service shop; include routectl/proxy.conf; proxy_pass http://routectl;";
const LOCATIONS = `
  location ^~ /logged/ { access_log ${LOG} routectl; ${INCLUDES} }
  location ^~ /debug/ { include routectl/debug-header.conf; ${INCLUDES} }
`;
// The dead instance is always tried first.
const POLICY: Policy = { algorithm: "best", ejection: { unanswered: 0, consecutiveFailures: 0, errorPercent: 0 } };

let instances: HttpInstance[];
let router: LiveRouter;

beforeAll(async () => {
  instances = await startHttpInstances(3);
  router = await startLiveRouter(
    { shop: serviceList(peersOf(instances), { policy: POLICY }), other: serviceList(peersOf(instances)) },
    { workers: 2, init: 'accessLog = true, requestIdVariable = "http_x_request_id"', locations: LOCATIONS },
  );
  await instances[0]!.kill();
});
afterAll(async () => {
  await router?.close();
  for (const instance of instances ?? []) await instance.kill();
  await rm(LOG, { force: true });
});

interface Decision {
  readonly requestId: string;
  readonly at: number;
  readonly worker: number;
  readonly service: string;
  readonly attempt: number;
  readonly peer: string;
  readonly reason: string;
  readonly status?: number;
  readonly tookMs?: number;
  readonly candidates: readonly { readonly id: string; readonly weight: number; readonly why: string }[];
}

const decisions = async (query: string): Promise<Decision[]> =>
  (await router.read<{ decisions: Decision[] }>(`/v1/decisions?${query}`)).decisions;

test("answers name the peer only where the debug header is included", async () => {
  const plain = await fetch(`${router.url}/shop/`);
  expect([...plain.headers.keys()].filter((name) => name.startsWith("x-routectl"))).toEqual([]);
  const told = await fetch(`${router.url}/debug/`, { headers: { "x-request-id": "r-1" } });
  expect(Object.fromEntries([...told.headers].filter(([name]) => name.startsWith("x-routectl")))).toEqual({
    "x-routectl-peer": "b",
    "x-routectl-attempts": "2",
    "x-routectl-mode": "normal",
    "x-routectl-reason": "first of the list",
    "x-routectl-id": "r-1",
  });
});

test("a line of the access log has the service, the peer, the attempts, the mode, the reason and the request", async () => {
  const response = await fetch(`${router.url}/logged/x?y=1`, { headers: { "x-request-id": "r-2" } });
  expect(response.status).toBe(200);
  let line = "";
  await waitFor("the line", async () => {
    line = await readFile(LOG, "utf8");
    return line.endsWith("\n");
  });
  const [a, b] = instances;
  expect(line).toMatch(
    /^127\.0\.0\.1 \[\d{4}-\d\d-\d\dT[\d:+-]+\] "GET \/logged\/x\?y=1 HTTP\/1\.1" 200 \d+ \d+\.\d{3} /,
  );
  expect(line).toContain('service=shop peer=b attempts=2 mode=normal reason="first of the list" id="r-2" ');
  expect(line).toContain(
    `upstream="127.0.0.1:${a!.port}, 127.0.0.1:${b!.port}" upstream_status="502, 200" upstream_time="`,
  );
});

test("decisions of all workers, newest first, by service and by request", async () => {
  const request = (index: number) => ({ path: "/other/", headers: { "x-request-id": `many-${index}` } });
  await waitFor("both workers to have had some", async () => {
    expect(failed(await sendAll(router.url, 100, request, 32))).toEqual([]);
    return new Set((await decisions("service=other&limit=1000")).map(({ worker }) => worker)).size === 2;
  });
  const found = await decisions("service=other");
  // Without a limit a hundred.
  expect(found).toHaveLength(100);
  expect(found.every(({ service }) => service === "other")).toBe(true);
  expect(found.map(({ at }) => at)).toEqual(found.map(({ at }) => at).sort((a, b) => b - a));
  const workers = await childrenOf(router.pid);
  expect(found.every(({ worker }) => workers.includes(worker))).toBe(true);
  expect(await decisions("service=other&limit=7")).toHaveLength(7);
  expect(await decisions("service=nobody")).toEqual([]);

  await sendAll(router.url, 1, () => ({ path: "/shop/", headers: { "x-request-id": "one of a kind %&" } }));
  const one = await decisions(`requestId=${encodeURIComponent("one of a kind %&")}`);
  expect(one.map(({ attempt, peer, status }) => [attempt, peer, status])).toEqual([
    [2, "b", 200],
    [1, "a", 502],
  ]);
  expect(one[0]!.candidates.map(({ id }) => id)).toEqual(["a", "b", "c"]);
  expect(one[0]!.candidates.find(({ id }) => id === "b")).toMatchObject({ why: "picked", weight: 100 });
  expect(one[0]!.tookMs).toBeGreaterThanOrEqual(0);
});

test.each([
  ["limit=0"],
  ["limit=1001"],
  ["limit=1.5"],
  ["limit=many"],
  ["limit="],
  ["service=No/Name"],
  ["service=a%20b"],
  ["requestId=a%0ab"],
])("decisions?%s is answered 400, with what is wrong", async (query) => {
  const response = await fetch(`${router.admin}/v1/decisions?${query}`);
  expect(response.status).toBe(400);
  const { message } = (await response.json()) as { message: string };
  expect(message).toContain("must be");
});

test("many who ask at once all get their decisions", async () => {
  const all = await Promise.all(Array.from({ length: 6 }, () => fetch(`${router.admin}/v1/decisions?limit=3`)));
  for (const response of all) {
    expect(response.status).toBe(200);
    expect(((await response.json()) as { decisions: unknown[] }).decisions).toHaveLength(3);
  }
});
