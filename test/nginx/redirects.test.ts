import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startRouter, type TestRouter } from "../support/router.ts";
import {
  peer,
  type ScriptedIpconfig,
  serviceList,
  snapshot,
  startScriptedIpconfig,
} from "../support/scripted-ipconfig.ts";
import { waitFor } from "../support/wait.ts";

/** What nginx does to a request on its way must not break what the router counts and remembers. */
const LOCATIONS = `
  location ^~ /files/ { internal; return 200 "a file"; }
  location ^~ /errors/ { set $routectl_service shop; include routectl/proxy.conf; proxy_intercept_errors on; error_page 500 = /sorry; proxy_pass http://routectl; }
  location ^~ /sorry { return 200 "sorry"; }
  location ^~ /again/ { set $routectl_service shop; include routectl/proxy.conf; proxy_pass http://routectl; }
  location ^~ /guarded/ { auth_request /guard; set $routectl_service shop; include routectl/proxy.conf; proxy_pass http://routectl; }
  location = /guard { internal; set $routectl_service shop; include routectl/proxy.conf; proxy_pass_request_body off; proxy_pass http://routectl/allowed; }
  location ^~ /mirrored/ { mirror /copy; set $routectl_service shop; include routectl/proxy.conf; proxy_pass http://routectl; }
  location = /copy { internal; set $routectl_service shop; include routectl/proxy.conf; proxy_pass http://routectl/copied; }
  location ^~ /any/ { satisfy any; allow all; set $routectl_service shop; include routectl/proxy.conf; proxy_pass http://routectl; }
`;

let ipconfig: ScriptedIpconfig;
let router: TestRouter;
const servers: Server[] = [];
const copies: string[] = [];

async function instance(answer: (path: string, response: ServerResponse, request: number) => void): Promise<number> {
  const perConnection = new WeakMap<object, number>();
  const server = createServer((request, response) => {
    const count = (perConnection.get(request.socket) ?? 0) + 1;
    perConnection.set(request.socket, count);
    request.resume();
    answer(request.url ?? "", response, count);
  });
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

beforeAll(async () => {
  ipconfig = await startScriptedIpconfig();
  const shop = await Promise.all(
    ["a", "b", "c"].map(async (id) => {
      const port = await instance((path, response) => {
        if (path.includes("leap")) response.setHeader("x-accel-redirect", "/again/file");
        else if (path.includes("file")) response.setHeader("x-accel-redirect", "/files/one");
        if (path.includes("fail")) response.statusCode = 500;
        if (path.includes("copied")) copies.push(id);
        response.end(id);
      });
      return peer(id, { port });
    }),
  );
  const port = await instance((_path, response, request) => {
    // As an instance that closes an idle connection just when the next request comes.
    if (request === 1) response.end("only");
    else response.destroy();
  });
  ipconfig.answerBody(
    snapshot(1, {
      shop: serviceList(shop, { policy: { algorithm: "consistent-hash", hashOn: "header:x-user-id" } }),
      single: serviceList([peer("only", { port })]),
    }),
  );
  router = await startRouter({ ipconfig: ipconfig.url, workers: 1, locations: LOCATIONS });
  await waitFor("the lists", async () => (await fetch(`${router.url}/single/`)).status === 200);
});
afterAll(async () => {
  await router.close();
  await ipconfig.close();
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

async function ask(path: string): Promise<string> {
  const response = await fetch(`${router.url}${path}`, { headers: { "x-user-id": "u1" } });
  return `${response.status} ${await response.text()}`;
}

test.each([
  ["X-Accel-Redirect", "/shop/file", "200 a file"],
  ["X-Accel-Redirect to another location of ours", "/shop/leap", "200 a file"],
  ["error_page", "/errors/fail", "200 sorry"],
])("%s leaks nothing: users stay where they are, and every attempt is counted", async (_what, path, answer) => {
  const owner = await ask("/shop/");
  // More than the 64 from which on the load of a peer is bounded.
  for (let i = 0; i < 150; i++) expect(await ask(path)).toBe(answer);
  expect(await ask("/shop/")).toBe(owner);
  const sum = (text: string, metric: string): number =>
    [...text.matchAll(new RegExp(`^routectl_${metric}\\{[^}]*service="shop"[^}]*\\} (\\d+)$`, "gm"))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    );
  await waitFor("all that was begun to be ended", async () => {
    const text = await (await fetch(`${router.admin}/metrics`)).text();
    return (
      sum(text, "peer_selections_total") > 0 &&
      sum(text, "peer_selections_total") === sum(text, "upstream_responses_total")
    );
  });
});

test.each([
  ["/guarded/"],
  ["/mirrored/"],
  ["/any/"],
])("%s works: nginx skips the access phase of subrequests and after satisfy any", async (path) => {
  const owner = await ask("/shop/");
  for (let i = 0; i < 80; i++) expect(await ask(path)).toBe(owner);
  expect(router.log()).not.toContain("[error]");
});

test("a mirrored request reaches an instance as well", async () => {
  await waitFor("the copies", () => copies.length >= 80);
});

test("a connection that the only instance has closed meanwhile costs no request", async () => {
  for (let i = 0; i < 40; i++) expect(await ask("/single/")).toBe("200 only");
});
