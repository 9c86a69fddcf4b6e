import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Policy } from "../../lua/core/types.ts";
import { type HttpInstance, peersOf, startHttpInstances } from "../support/http-instance.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { failed, type LoadRequest, sendAll, startLoad } from "../support/load.ts";
import { openRawClient } from "../support/raw-http.ts";
import { peer, serviceList } from "../support/scripted-ipconfig.ts";
import { childrenOf } from "../support/stack.ts";
import { waitFor } from "../support/wait.ts";

/** A service that admits so many requests a second of each key. */
const RATE = 100;
const BURST = 20;
const KEYS = 100_000;
/** What the flood's buckets may take: room for a tenth of them. */
const ROOM = "1m";

let instances: HttpInstance[];
let router: LiveRouter;

beforeAll(async () => {
  instances = await startHttpInstances(2);
  const peers = peersOf(instances);
  router = await startLiveRouter(
    {
      shop: serviceList(peers, limited(RATE, BURST)),
      slow: serviceList(peers, limited(0.01, 2)),
      other: serviceList(peers),
    },
    {
      workers: 2,
      // Answered by nginx itself, so that the flood costs little.
      locations: `location ^~ /flooded/ { set $routectl_service flooded; include routectl/proxy.conf; proxy_pass http://routectl/answer; }
  location = /answer { return 200 "ok"; }`,
    },
  );
});
afterAll(async () => {
  await router?.close();
  for (const instance of instances ?? []) await instance.kill();
});

const limited = (rate: number, burst: number): { policy: Policy } => ({
  policy: { algorithm: "adaptive", limit: { key: "header:x-user-id", rate, burst } },
});

const by = (user: string, path = "/shop/"): LoadRequest => ({ path, headers: { "x-user-id": user } });

test("100 a second with a burst of 20: over ten seconds of overload 1,020 are admitted", async () => {
  const load = startLoad(router.url, 3 * RATE, () => by("greedy"));
  await waitFor("ten seconds", () => {
    const { answers } = load;
    return answers.length > 0 && answers.at(-1)!.at - answers[0]!.at >= 10_000;
  });
  const answers = [...(await load.stop())].sort((a, b) => a.at + a.ms - (b.at + b.ms));
  const admitted = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status === 429);
  expect(admitted.length + refused.length).toBe(answers.length);
  // While a busy machine keeps the load from coming, what does not fit into the bucket is lost.
  let tokens = BURST;
  for (let i = 1; i < answers.length; i++) {
    const gapMs = answers[i]!.at + answers[i]!.ms - answers[i - 1]!.at - answers[i - 1]!.ms;
    tokens += Math.min((gapMs * RATE) / 1000, BURST);
  }
  expect(Math.abs(admitted.length / tokens - 1)).toBeLessThan(0.03);
  for (const { headers } of refused) {
    expect(headers["retry-after"]).toBe("1");
    expect(headers["ratelimit-limit"]).toBe(`${BURST}`);
    expect(headers["ratelimit-remaining"]).toBe("0");
    expect(headers["ratelimit-reset"]).toBe("1");
  }
  await waitFor("the refusals to be counted", async () => {
    const labels = { service: "shop", reason: "limited" };
    return (await router.metrics()).sum("service_requests_refused_total", labels) === refused.length;
  });
});

test("each key has a bucket of its own, on all workers the same, and hears what is left in it", async () => {
  const ask = async (user: string) => {
    const [answer] = await sendAll(router.url, 1, () => by(user, "/slow/"), 1);
    const { status, headers } = answer!;
    return [status, headers["ratelimit-remaining"], headers["ratelimit-reset"], headers["retry-after"]];
  };
  expect(await ask("ann")).toEqual([200, "1", "100", undefined]);
  expect(await ask("ann")).toEqual([200, "0", "200", undefined]);
  // Each request has a connection of its own, and so either worker.
  for (let i = 0; i < 10; i++) expect((await ask("ann"))[0]).toBe(429);
  const [status, , , retryAfter] = await ask("ann");
  expect(status).toBe(429);
  expect(Number(retryAfter)).toBeGreaterThan(90);
  expect(await ask("bob")).toEqual([200, "1", "100", undefined]);
  // Of a service without a limit nobody hears of one.
  const [other] = await sendAll(router.url, 1, () => by("ann", "/other/"), 1);
  expect(other!.status).toBe(200);
  expect(other!.headers["ratelimit-limit"]).toBeUndefined();
});

/** Memory of its own, in bytes: what it shares with others, such as the dicts, does not count. */
async function ownMemory(pid: number): Promise<number> {
  const [, kilobytes] = /^RssAnon:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

test("a flood of many keys evicts no list, fails nobody else, and does not grow the workers", async () => {
  const file = join(router.directory, "routectl/http.conf");
  const text = await readFile(file, "utf8");
  await writeFile(file, text.replace("routectl_limits 16m;", `routectl_limits ${ROOM};`));
  const old = await childrenOf(router.pid);
  process.kill(router.pid, "SIGHUP");
  await waitFor("new workers alone", async () => {
    const now = await childrenOf(router.pid);
    return now.length === 2 && now.every((pid) => !old.includes(pid));
  });
  const itself = peer("itself", { port: Number(new URL(router.url).port) });
  await router.publish({ other: serviceList(peersOf(instances)), flooded: serviceList([itself], limited(0.01, 1)) });
  const others = startLoad(router.url, 50, () => by("somebody", "/other/"));
  await flood(0, KEYS / 10);
  const workers = await childrenOf(router.pid);
  const before = await Promise.all(workers.map(ownMemory));
  await flood(KEYS / 10, KEYS);
  const after = await Promise.all(workers.map(ownMemory));
  for (let i = 0; i < workers.length; i++) expect(after[i]! - before[i]!).toBeLessThan(8 * 1024 * 1024);
  expect(failed(await others.stop())).toEqual([]);
  expect((await router.read<{ services: number }>("/v1/status")).services).toBe(2);
  // The newest keys are known still; those longest unused have gone first.
  const [newest] = await sendAll(router.url, 1, () => by(`key-${KEYS - 1}`, "/flooded/"));
  expect(newest!.status).toBe(429);
  expect(router.log()).not.toMatch(/no memory|runtime error/);
});

/** Sends a request for each of these keys, pipelined over some connections; every one is admitted. */
async function flood(from: number, to: number): Promise<void> {
  // As many as nginx takes over one connection.
  const batch = 1000;
  let next = from;
  const work = async (): Promise<void> => {
    while (next < to) {
      const first = next;
      next = Math.min(to, next + batch);
      const requests = Array.from(
        { length: next - first },
        (_, index) => `GET /flooded/ HTTP/1.1\r\nHost: shop\r\nX-User-Id: key-${first + index}\r\n\r\n`,
      );
      const client = openRawClient(router.url);
      client.send(requests.join(""));
      await waitFor("the answers", () => client.received().split("HTTP/1.1 200 ").length - 1 === requests.length);
      client.destroy();
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
}
