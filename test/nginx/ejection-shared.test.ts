import { Metadata, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../../cli/stack/ports.ts";
import type { Policy } from "../../lua/core/types.ts";
import { connectEcho, startEchoServer } from "../support/grpc-echo.ts";
import { answer, type HttpInstance, peersOf, startHttpInstances } from "../support/http-instance.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { failed, sendAll, shareOf } from "../support/load.ts";
import { peer, serviceList } from "../support/scripted-ipconfig.ts";
import { childrenOf } from "../support/stack.ts";
import { waitFor } from "../support/wait.ts";

/** What one worker has found out about a peer holds for all of them, and for those after them. */
const POLICY: Policy = { algorithm: "round-robin", ejection: { baseMs: 60_000, maxMs: 60_000 } };

let instances: HttpInstance[];
let router: LiveRouter;
let grpcPort: number;
const undo: (() => void)[] = [];

beforeEach(async () => {
  instances = await startHttpInstances(3);
  grpcPort = await freePort();
  router = await startLiveRouter(
    { shop: serviceList(peersOf(instances), { policy: POLICY }) },
    {
      workers: 2,
      locations: `listen 127.0.0.1:${grpcPort} http2;
    location /echo.Echo/ { set $routectl_service rpc; include routectl/proxy.conf; grpc_pass grpc://routectl_grpc; }`,
    },
  );
});
afterEach(async () => {
  for (const act of undo.splice(0)) act();
  await router?.close();
  for (const instance of instances) await instance.kill();
});

const request = () => ({ path: "/shop/" });

async function stateOf(service: string, id: string): Promise<string | undefined> {
  const { peers } = await router.read<{ peers: { id: string; state: string }[] }>(`/v1/services/${service}`);
  return peers.find((one) => one.id === id)?.state;
}

/** The first instance fails, seen over a single connection, and so by a single worker. */
async function ejectFirst(): Promise<void> {
  instances[0]!.behave(answer("a", { status: 500 }));
  await sendAll(router.url, 20, request, 1);
  expect(await stateOf("shop", "a")).toBe("ejected");
  instances[0]!.behave();
}

/** Sends requests until both workers have had some of them. @returns all answers */
async function askBothWorkers() {
  const answers = [];
  const workers = new Set<number>();
  while (workers.size < 2) {
    answers.push(...(await sendAll(router.url, 100, request, 20)));
    const { decisions } = await router.read<{ decisions: { worker: number }[] }>(
      "/v1/decisions?service=shop&limit=100",
    );
    for (const { worker } of decisions) workers.add(worker);
  }
  return answers;
}

test("what one worker ejects, the other one leaves out as well", async () => {
  await ejectFirst();
  expect((await router.metrics()).sum("peer_ejections_total", { service: "shop", peer: "a" })).toBe(1);
  expect(shareOf(await askBothWorkers(), "a")).toBe(0);
});

test("an ejection outlives a reload of nginx", async () => {
  await ejectFirst();
  const before = await childrenOf(router.pid);
  process.kill(router.pid, "SIGHUP");
  await waitFor("new workers alone", async () => {
    const now = await childrenOf(router.pid);
    return now.length === 2 && now.every((pid) => !before.includes(pid));
  });
  expect(await stateOf("shop", "a")).toBe("ejected");
  expect(shareOf(await askBothWorkers(), "a")).toBe(0);
});

test("an instance that was removed and is registered again begins anew", async () => {
  await ejectFirst();
  const peers = peersOf(instances);
  await router.publish({ shop: serviceList(peers.slice(1), { policy: POLICY }) });
  expect(await stateOf("shop", "a")).toBeUndefined();
  await router.publish({ shop: serviceList(peers, { policy: POLICY }) });
  expect(await stateOf("shop", "a")).toBe("up");
  expect(shareOf(await askBothWorkers(), "a")).toBeGreaterThan(0.2);
});

test("a user belongs to one instance: only its own users try an ejected one", async () => {
  const short: Policy = {
    algorithm: "consistent-hash",
    hashOn: "header:x-user-id",
    ejection: { baseMs: 100, maxMs: 100 },
  };
  await router.publish({ shop: serviceList(peersOf(instances), { policy: short }) });
  const by = (user: number) => ({ ...request(), headers: { "x-user-id": `user-${user}` } });
  const homes = await sendAll(router.url, 300, by);
  const own = homes.filter(({ instance }) => instance === "a").map(({ index }) => index);
  const others = homes.filter(({ instance }) => instance !== "a").map(({ index }) => index);
  instances[0]!.behave(answer("a", { status: 500 }));
  await sendAll(router.url, 20, (index) => by(own[index]!), 1);
  const before = instances[0]!.count();
  const started = performance.now();
  while (performance.now() - started < 1000) {
    const answers = await sendAll(router.url, others.length, (index) => by(others[index]!));
    expect(failed(answers)).toEqual([]);
  }
  expect(instances[0]!.count()).toBe(before);
  instances[0]!.behave();
  await waitFor("its release by its own users", async () => {
    const answers = await sendAll(router.url, own.length, (index) => by(own[index]!));
    return shareOf(answers, "a") === 1;
  });
});

test("gRPC calls fail with HTTP's status 200: an instance whose calls are UNAVAILABLE is ejected", async () => {
  let broken = 0;
  const bad = await startEchoServer({
    unary: (_call, respond) => {
      broken++;
      respond({ code: status.UNAVAILABLE, details: "going down", metadata: new Metadata() });
    },
  });
  // An error that is the caller's ejects nobody.
  const strict = await startEchoServer({
    unary: (_call, respond) => respond({ code: status.INVALID_ARGUMENT, details: "no", metadata: new Metadata() }),
  });
  const client = connectEcho(`127.0.0.1:${grpcPort}`);
  undo.push(bad.kill, strict.kill, client.close);
  const rpc = serviceList([peer("bad", { port: bad.port }), peer("strict", { port: strict.port })], { policy: POLICY });
  await router.publish({ rpc });
  const codes: number[] = [];
  for (let call = 0; call < 40; call++) codes.push((await client.unary(Buffer.from("hello"))).status.code);
  expect(await stateOf("rpc", "bad")).toBe("ejected");
  expect(await stateOf("rpc", "strict")).toBe("up");
  expect(broken).toBe(5);
  expect(codes.filter((code) => code === status.UNAVAILABLE)).toHaveLength(5);
  expect(codes.filter((code) => code === status.INVALID_ARGUMENT)).toHaveLength(35);
});
