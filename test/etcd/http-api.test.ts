import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VERSION } from "../../lua/core/version.ts";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { waitFor } from "../support/wait.ts";
import { type Writes, writesTo } from "../support/writes.ts";

let etcd: TestEtcd;
let writes: Writes;
let replica: TestReplica;

beforeAll(async () => {
  etcd = await startEtcd();
  writes = writesTo(etcd.url);
  for (const [id, weight] of Object.entries({ "demo-1": 10, "demo-2": 30, "demo-3": 20 })) {
    await writes.register("demo", { id, weight });
  }
  replica = await startTestReplica(etcd.url);
  await waitFor("a list", async () => (await replica.service("demo")) !== undefined);
});

afterAll(async () => {
  await replica?.stop();
  writes?.close();
  await etcd?.close();
});

it("a service's list is there, best first, with its position", async () => {
  const list = await replica.service("demo");
  expect(list).toMatchObject({ service: "demo", epoch: expect.any(String), revision: expect.any(Number) });
  expect(list!.instances.map(({ id }) => id)).toEqual(["demo-2", "demo-3", "demo-1"]);
  const all = await replica.json("/v1/services");
  expect(all).toMatchObject({ epoch: list!.epoch, revision: list!.revision });
  expect(all.services.demo.instances).toEqual(list!.instances);
});

it("answers for its health", async () => {
  for (const path of ["/healthz", "/readyz"]) {
    const response = await replica.get(path);
    expect([response.status, await response.text()]).toEqual([200, "ok\n"]);
  }
});

it("with no service in etcd yet, it is alive but not ready", async () => {
  const empty = await startEtcd();
  const early = await startTestReplica(empty.url);
  try {
    await waitFor("etcd", async () => (await early.metric("routectl_etcd_reachable")) === 1);
    expect((await early.get("/healthz")).status).toBe(200);
    expect((await early.get("/readyz")).status).toBe(503);
    expect((await early.poll({ waitMs: 10_000 })).status).toBe(503);
    expect(await early.json("/v1/services")).toEqual({ epoch: null, revision: 0, services: {} });
    await empty.raw.put("/routectl/v1/services/demo/policy", '{"algorithm":"best"}');
    await waitFor("the first list", async () => (await early.get("/readyz")).status === 200);
    expect(await early.service("demo")).toMatchObject({ policy: { algorithm: "best" }, instances: [] });
  } finally {
    await early.stop();
    await empty.close();
  }
});

describe("what is not there", () => {
  it.each([
    "/",
    "/v1",
    "/v1/services/",
    "/v1/nothing",
    "/v1/services/demo/x",
    "/v2/services",
    "/v1/routers/x",
  ])("GET %s is 404", async (path) => {
    expect((await replica.get(path)).status).toBe(404);
    expect(await replica.json(path)).toMatchObject({ error: "not-found" });
  });

  it.each([
    "orders",
    "DEMO",
    "__proto__",
    "constructor",
    "%zz",
    "a%0ab",
    "..%2f..",
    "x".repeat(5000),
  ])("service %j is 404", async (name) => expect((await replica.get(`/v1/services/${name}`)).status).toBe(404));

  it.each(["PUT", "DELETE", "PATCH", "POST", "PURGE"])("%s changes nothing", async (method) => {
    const before = await etcd.raw.list();
    for (const path of ["/v1/services/demo", "/v1/services", "/v1/snapshot", "/metrics"]) {
      expect((await replica.get(path, { method })).status).toBe(404);
    }
    expect(await etcd.raw.list()).toEqual(before);
  });

  it.each(["/v1/services", "/v1/services/demo", "/v1/snapshot", "/healthz", "/metrics"])("HEAD %s", async (path) => {
    const response = await replica.get(path, { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });
});

describe("a router's report", () => {
  const worker = { worker: 0, pid: 1, epoch: "e", revision: 5 };
  const report = { workerCount: 1, ipconfig: "http://127.0.0.1:9146", workers: [worker] };
  const send = (node: string, body: string): Promise<Response> =>
    replica.get(`/v1/routers/${node}/ack`, { method: "POST", body });
  const routers = async () => (await replica.json("/v1/routers")).routers;

  it("is taken and shown", async () => {
    expect((await send("edge-1", JSON.stringify(report))).status).toBe(204);
    const [router] = await routers();
    expect(router).toMatchObject({ node: "edge-1", ...report });
    expect(router.ageMs).toBeLessThan(10_000);
    expect((await send("edge-2", JSON.stringify({ ...report, workers: [] }))).status).toBe(204);
  });

  it.each([
    ["no JSON", "{"],
    ["empty", ""],
    ["null", "null"],
    ["a list", "[]"],
    ["nothing in it", "{}"],
    ["an unknown field", JSON.stringify({ ...report, more: 1 })],
    ["no workers at all", JSON.stringify({ ...report, workerCount: 0 })],
    ["a negative revision", JSON.stringify({ ...report, workers: [{ ...worker, revision: -1 }] })],
    ["a fractional revision", JSON.stringify({ ...report, workers: [{ ...worker, revision: 1.5 }] })],
    ["a revision of 1e999", JSON.stringify(report).replace('"revision":5', '"revision":1e999')],
    ["a revision beyond exact numbers", JSON.stringify(report).replace('"revision":5', '"revision":1e17')],
    ["a revision of NaN", JSON.stringify(report).replace('"revision":5', '"revision":NaN')],
    ["a revision as text", JSON.stringify({ ...report, workers: [{ ...worker, revision: "5" }] })],
    ["an epoch that is no name", JSON.stringify({ ...report, workers: [{ ...worker, epoch: "A B" }] })],
    ["too many workers", JSON.stringify({ ...report, workers: Array(5000).fill(worker) })],
    ["a million workers", JSON.stringify({ ...report, workerCount: 1_000_000 })],
    ["a long URL", JSON.stringify({ ...report, ipconfig: "x".repeat(513) })],
  ])("is refused with %s", async (_, body) => {
    expect((await send("garbage", body)).status).toBe(400);
    expect((await routers()).map(({ node }: { node: string }) => node)).not.toContain("garbage");
  });

  it.each(["EDGE", "a%0ab", "a b", "__proto__", "x".repeat(65)])("is refused from %j", async (node) => {
    expect((await send(node, JSON.stringify(report))).status).toBe(400);
  });

  it("is refused when it is huge, without being read", async () => {
    expect((await send("huge", `{"x":"${"x".repeat(4_000_000)}"}`)).status).toBe(413);
  });
});

describe("metrics", () => {
  it("have the names that dashboards rely on", async () => {
    expect(await replica.metric(`routectl_build_info{version="${VERSION}"}`)).toBe(1);
    expect(await replica.metric('routectl_service_mode{service="demo",mode="normal"}')).toBe(1);
    expect(await replica.metric('routectl_service_mode{service="demo",mode="manual"}')).toBe(0);
    expect(await replica.metric('routectl_service_members{service="demo"}')).toBe(3);
    expect(await replica.metric("routectl_etcd_reachable")).toBe(1);
    expect(await replica.metric("routectl_watch_restarts_total")).toBe(0);
    expect(await replica.metric("routectl_missed_changes_total")).toBe(0);
    expect(await replica.metric("routectl_invalid_values_total")).toBe(0);
    expect(await replica.metric("routectl_propagation_duration_seconds_count")).toEqual(expect.any(Number));
  });

  it("are in the text format, and all of routectl's", async () => {
    const response = await replica.get("/metrics");
    expect(response.headers.get("content-type")).toMatch(/^text\/plain/);
    for (const line of (await response.text()).split("\n").filter(Boolean)) {
      expect(line).toMatch(/^(# (HELP|TYPE) routectl_\w+ |routectl_\w+(\{[^}]*\})? [0-9.e+-]+$)/);
    }
  });

  it("say which change routers must have: the newest one, also where it changes no list", async () => {
    const newest = () => replica.metric("routectl_routing_revision");
    const revision = await writes.setWeight("demo", "demo-1", 6);
    await waitFor("the weight", async () => (await newest()) === revision);
    const again = await writes.setWeight("demo", "demo-1", 6);
    expect(again).toBeGreaterThan(revision);
    await waitFor("the same weight again", async () => (await newest()) === again);
    const last = await writes.clearWeights("demo");
    await waitFor("the end of the weight", async () => (await newest()) === last);
  });

  it("of a service that is gone disappear", async () => {
    await writes.register("short", { id: "short-1" });
    const sample = 'routectl_service_members{service="short"}';
    await waitFor("the metric to come", async () => (await replica.metric(sample)) === 1);
    await writes.deregister("short", "short-1");
    await waitFor("the metric to go", async () => (await replica.metric(sample)) === undefined);
  });

  it("say how long a change took to a router that reports it", async () => {
    const count = () => replica.metric("routectl_propagation_duration_seconds_count");
    const before = (await count())!;
    const { epoch } = (await replica.service("demo"))!;
    await replica.report("slow", { epoch, revision: 1 });
    const revision = await writes.setWeight("demo", "demo-1", 5);
    await waitFor("the change", async () => (await replica.service("demo"))!.revision >= revision);
    await replica.report("slow", { epoch, revision });
    expect(await count()).toBe(before + 1);
    await replica.report("slow", { epoch, revision });
    expect(await count()).toBe(before + 1);
  });
});
