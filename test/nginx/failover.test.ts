import { afterEach, beforeEach, expect, test } from "vitest";
import { startRouter, type TestRouter } from "../support/router.ts";
import {
  peer,
  type ScriptedIpconfig,
  serviceList,
  snapshot,
  startScriptedIpconfig,
} from "../support/scripted-ipconfig.ts";
import { waitFor } from "../support/wait.ts";

interface Status {
  mode: string;
  revision: number;
  ipconfig: string;
}

let first: ScriptedIpconfig;
let second: ScriptedIpconfig;
let router: TestRouter;

beforeEach(async () => {
  first = await startScriptedIpconfig();
  second = await startScriptedIpconfig();
  const list = snapshot(5, { shop: serviceList([peer("a"), peer("b")]) });
  first.answerWith((response, query) => answerOnce(response, query, list));
  second.answerWith((response, query) => answerOnce(response, query, list));
  router = await startRouter({ ipconfig: `${first.url},${second.url}` });
  await waitFor("the first list", async () => (await status()).revision === 5);
});
afterEach(async () => {
  await router.close();
  await first.close().catch(() => undefined);
  await second.close();
});

const status = (): Promise<Status> => router.read<Status>("/v1/status");

/** As a real one does: the list to who has not got it yet, 304 after a while to the others. */
function answerOnce(
  response: import("node:http").ServerResponse,
  query: URLSearchParams,
  list: { revision: number },
): void {
  if (Number(query.get("revision")) < list.revision) {
    response.end(JSON.stringify(list));
    return;
  }
  const timer = setTimeout(() => response.writeHead(304).end(), Number(query.get("waitMs")));
  response.on("close", () => clearTimeout(timer));
}

test("when the ipconfig in use dies the next one is asked, the mode stays normal, and status names it", async () => {
  expect((await status()).ipconfig).toBe(first.url);
  await first.close();
  await waitFor("the other one to be named", async () => (await status()).ipconfig === second.url);
  expect((await status()).mode).toBe("normal");
  expect(router.log()).toContain(`ipconfig ${first.url} does not serve`);
  second.answerBody(snapshot(6, { shop: serviceList([peer("a"), peer("b", { weight: 1 })]) }));
  await waitFor("its change", async () => (await status()).revision === 6);
});

test("a replica that has lost etcd is left for one that has it, and nothing flips back", async () => {
  first.answerWith((response) => response.writeHead(304, { "x-routectl-etcd": "disconnected" }).end());
  const newer = snapshot(9, { shop: serviceList([peer("a"), peer("c")]) });
  second.answerWith((response, query) => answerOnce(response, query, newer));
  await waitFor("the newer list", async () => (await status()).revision === 9);
  const before = first.polls();
  const asked = second.polls();
  await waitFor("more polls of the good one", () => second.polls() >= asked + 2);
  expect(first.polls()).toBe(before);
  expect((await status()).revision).toBe(9);
});

test("only one worker polls at a time", async () => {
  const before = first.polls();
  await waitFor("some polls", () => first.polls() >= before + 3, 10_000);
  const { leaderPid } = await router.read<{ leaderPid: number }>("/v1/status");
  expect((await router.read<{ leaderPid: number }>("/v1/status")).leaderPid).toBe(leaderPid);
  // Two seconds a poll: with both workers polling there would be twice as many.
  expect(first.polls() - before).toBeLessThanOrEqual(4);
});
