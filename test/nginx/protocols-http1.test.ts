import { createServer as createHttpServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Instance, startInstance } from "../support/instance.ts";
import { openRawClient } from "../support/raw-http.ts";
import type { TestRouter } from "../support/router.ts";
import { startRouterOf } from "../support/router-of.ts";
import { waitFor } from "../support/wait.ts";

vi.setConfig({ testTimeout: 15_000 });

let router: TestRouter;
const instances: Instance[] = [];
/** What the instance of `shop` has seen of the requests that it holds open. */
const held: { path: string; closed: boolean }[] = [];
/** Requests that reached the instance of `shop`. */
const seen: string[] = [];

async function shopInstance(): Promise<Instance> {
  const server = createHttpServer((request, response) => {
    const url = new URL(request.url ?? "", "http://shop");
    seen.push(`${request.method} ${url.pathname}`);
    switch (url.pathname.slice("/shop".length)) {
      case "/hold": {
        const entry = { path: url.search, closed: false };
        held.push(entry);
        response.on("close", () => {
          entry.closed = true;
        });
        // Either nothing comes for now, or a part of an answer.
        if (url.searchParams.has("part")) response.writeHead(200).write("part");
        break;
      }
      case "/chunks":
        response.write("one,");
        response.end("two");
        break;
      case "/trailers":
        response.writeHead(200, { trailer: "x-checksum" });
        response.write("body");
        response.addTrailers({ "x-checksum": "1" });
        response.end();
        break;
      case "/host":
        response.end(request.headers.host);
        break;
      case "/head":
        response.writeHead(200, { "content-length": "12345", "x-for": "heads" }).end();
        break;
      default:
        request.resume();
        response.end(url.pathname + url.search);
    }
  });
  return startInstance(server);
}

beforeAll(async () => {
  const shop = await shopInstance();
  // Sends more than its Content-Length, as another answer that the next client would take for its own.
  const talkative = await startInstance(
    createTcpServer((socket) => {
      socket.on("data", () => {
        const answer = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
        socket.write(answer("right") + answer("wrong"));
      });
    }),
  );
  instances.push(shop, talkative);
  const services = { shop: { ports: [shop.port] }, talkative: { ports: [talkative.port] } };
  router = await startRouterOf(services, { workers: 1 });
});
afterAll(async () => {
  await router.close();
  for (const instance of instances) await instance.kill();
});

test("HEAD keeps the headers of the answer, and has no body", async () => {
  const response = await fetch(`${router.url}/shop/head`, { method: "HEAD" });
  expect(response.headers.get("content-length")).toBe("12345");
  expect(response.headers.get("x-for")).toBe("heads");
  expect(await response.text()).toBe("");
});

test("HEAD leaves the connection in step: the next answer on it is the next request's", async () => {
  const client = openRawClient(router.url);
  client.send("HEAD /shop/head HTTP/1.1\r\nHost: shop\r\n\r\nGET /shop/after HTTP/1.1\r\nHost: shop\r\n\r\n");
  const answers = await client.until(/\/shop\/after$/);
  expect(answers.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
  expect(answers).toContain("Content-Length: 12345");
  client.destroy();
});

test.each([
  ["before the answer", "wait"],
  ["in the middle of the answer", "part"],
])("a client that goes away %s: the instance sees it", async (_when, how) => {
  const client = openRawClient(router.url);
  client.send(`GET /shop/hold?${how} HTTP/1.1\r\nHost: shop\r\n\r\n`);
  const find = (): (typeof held)[number] | undefined => held.find(({ path }) => path === `?${how}`);
  await waitFor("the request to be held", () => find() !== undefined);
  if (how === "part") await client.until(/part/);
  expect(find()?.closed).toBe(false);
  client.destroy();
  await waitFor("the instance to see it", () => find()?.closed === true, 5000);
});

test("an answer with trailers is whole, and its connection stays in step", async () => {
  for (let i = 0; i < 3; i++) {
    const response = await fetch(`${router.url}/shop/trailers`);
    expect(await response.text()).toBe("body");
    expect(await (await fetch(`${router.url}/shop/after`)).text()).toBe("/shop/after");
  }
});

test("what an instance sends after its answer reaches nobody", async () => {
  for (let i = 0; i < 20; i++) expect(await (await fetch(`${router.url}/talkative/`)).text()).toBe("right");
});

test("1 MB of request headers is refused, and others on the same worker are served", async () => {
  const other = openRawClient(router.url);
  other.send("GET /shop/before HTTP/1.1\r\nHost: shop\r\n\r\n");
  await other.until(/\/shop\/before$/);
  const client = openRawClient(router.url);
  client.send("GET /shop/big HTTP/1.1\r\nHost: shop\r\n");
  for (let i = 0; i < 16; i++) client.send(`X-Big-${i}: ${"a".repeat(64 * 1024)}\r\n`);
  client.send("\r\n");
  expect(await client.untilClosed()).toMatch(/^HTTP\/1\.1 (400|431) /);
  other.send("GET /shop/still HTTP/1.1\r\nHost: shop\r\n\r\n");
  await other.until(/\/shop\/still$/);
  other.destroy();
  expect(seen).not.toContain("GET /shop/big");
});

test("an URL of 7 KB passes, one of 100 KB is answered 414", async () => {
  const long = `/shop/long?q=${"a".repeat(7000)}`;
  expect(await (await fetch(`${router.url}${long}`)).text()).toBe(long);
  const longer = await fetch(`${router.url}/shop/longer?q=${"a".repeat(100_000)}`);
  expect(longer.status).toBe(414);
  expect(seen).not.toContain("GET /shop/longer");
});

test("an HTTP/1.0 client gets an answer without chunks, and its end by the end of the connection", async () => {
  const client = openRawClient(router.url);
  client.send("GET /shop/chunks HTTP/1.0\r\n\r\n");
  const answer = await client.untilClosed();
  expect(answer).toMatch(/^HTTP\/1\.[01] 200 /);
  expect(answer).not.toMatch(/transfer-encoding/i);
  expect(answer).toMatch(/\r\n\r\none,two$/);
});

test.each([
  ["with its port", "GET /shop/host HTTP/1.1\r\nHost: Shop.example:8080\r\n", /\r\nShop\.example:8080$/],
  ["without a port", "GET /shop/host HTTP/1.1\r\nHost: shop.example\r\n", /\r\nshop\.example$/],
  ["by the address, from a client of HTTP/1.0 that names none", "GET /shop/host HTTP/1.0\r\n", /\r\n127\.0\.0\.1:\d+$/],
])("the instance is told the host %s", async (_how, head, host) => {
  const client = openRawClient(router.url);
  client.send(`${head}Connection: close\r\n\r\n`);
  expect(await client.untilClosed()).toMatch(host);
});

test("requests that a client sends without waiting are answered in their order", async () => {
  const client = openRawClient(router.url);
  const paths = Array.from({ length: 50 }, (_, i) => `/shop/turn-${i}`);
  client.send(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: shop\r\n\r\n`).join(""));
  const answers = await client.until(/turn-49$/);
  expect([...answers.matchAll(/turn-(\d+)/g)].map(([, turn]) => Number(turn))).toEqual(paths.map((_, i) => i));
  client.destroy();
});

test("a request that leaves its length in doubt is refused", async () => {
  const client = openRawClient(router.url);
  client.send(
    "POST /shop/doubt HTTP/1.1\r\nHost: shop\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /shop/smuggled HTTP/1.1\r\nHost: shop\r\n\r\n",
  );
  expect(await client.untilClosed()).toMatch(/^HTTP\/1\.1 400 /);
  expect(seen).not.toContain("GET /shop/smuggled");
});
