import { readFile } from "node:fs/promises";
import { join } from "node:path";
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

/** What a router does when a new epoch names fewer services than the one before: etcd's data may have been lost. */
const TEN_MINUTES_LATER = `location = /later { content_by_lua_block { ngx.shared.routectl_state:set("retainUntilMs", 1) } }`;
const shop = serviceList([peer("a")]);
const blog = serviceList([peer("b")]);
const all = { shop, blog };

let ipconfig: ScriptedIpconfig;
let router: TestRouter;

beforeEach(async () => {
  ipconfig = await startScriptedIpconfig();
  ipconfig.answerBody(snapshot(7, all));
  router = await startRouter({ ipconfig: ipconfig.url, locations: TEN_MINUTES_LATER });
  await waitFor("both services", async () => (await services()) === "blog,shop");
});
afterEach(async () => {
  await router?.close();
  await ipconfig.close();
});

async function services(): Promise<string> {
  const { services } = await router.read<{ services: { service: string }[] }>("/v1/services");
  return services.map(({ service }) => service).join();
}

const position = async (): Promise<string> => {
  const { epoch, revision } = await router.read<{ epoch: string; revision: number }>("/v1/status");
  return `${epoch} ${revision}`;
};

const settled = async (): Promise<void> => {
  const before = ipconfig.polls();
  await waitFor("three more polls", () => ipconfig.polls() > before + 3);
};

test("services that a new epoch does not name stay for ten minutes", async () => {
  ipconfig.answerBody(snapshot(3, { shop }, { epoch: "epoch-b" }));
  await waitFor("the new epoch", async () => (await position()) === "epoch-b 3");
  await settled();
  expect(await services()).toBe("blog,shop");

  // As from another ipconfig, which gives a router everything.
  ipconfig.answerBody(snapshot(4, { shop }, { epoch: "epoch-b" }));
  await waitFor("the next revision", async () => (await position()) === "epoch-b 4");
  await settled();
  expect(await services()).toBe("blog,shop");

  await fetch(`${router.url}/later`);
  await waitFor("one service", async () => (await services()) === "shop");
  await settled();
  expect(await position()).toBe("epoch-b 4");
});

test("one that is removed by name goes at once", async () => {
  ipconfig.answerBody(snapshot(3, { shop }, { epoch: "epoch-b" }));
  await waitFor("the new epoch", async () => (await position()) === "epoch-b 3");
  ipconfig.answerBody(snapshot(4, {}, { epoch: "epoch-b", full: false, removed: ["blog"] }));
  await waitFor("one service", async () => (await services()) === "shop");
});

test("once the time is over everything is asked for, once", async () => {
  ipconfig.answerBody(snapshot(3, { shop }, { epoch: "epoch-b" }));
  await waitFor("the new epoch", async () => (await position()) === "epoch-b 3");
  const asked: (string | null)[] = [];
  ipconfig.answerWith((response, query) => {
    asked.push(query.get("revision"));
    if (query.has("revision")) setTimeout(() => response.writeHead(304).end(), 50);
    else response.end(JSON.stringify(snapshot(3, { shop }, { epoch: "epoch-b" })));
  });
  await fetch(`${router.url}/later`);
  await waitFor("polls after it", () => asked.lastIndexOf("3") > asked.indexOf(null) && asked.includes(null));
  await settled();
  expect(await services()).toBe("shop");
  // Held once, then confirmed.
  expect(asked.filter((revision) => revision === null)).toHaveLength(2);
});

test("the last good list says that everything is to be asked for after a restart", async () => {
  const file = join(router.directory, "last-good");
  const head = async (): Promise<string> => (await readFile(file, "utf8").catch(() => "")).split("\n")[0]!;
  await waitFor("the file", async () => (await head()).includes(" epoch-a 7 "));
  ipconfig.answerBody(snapshot(3, { shop }, { epoch: "epoch-b" }));
  await waitFor("the file of the new epoch", async () => (await head()).includes(" epoch-b 0 "), 10_000);
});
