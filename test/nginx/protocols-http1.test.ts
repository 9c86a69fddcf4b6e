import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer, request as httpRequest, type IncomingMessage } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Instance, startInstance } from "../support/instance.ts";
import { residentBytesOf } from "../support/memory.ts";
import { openRawClient } from "../support/raw-http.ts";
import type { TestRouter } from "../support/router.ts";
import { startRouterOf } from "../support/router-of.ts";
import { childrenOf } from "../support/stack.ts";
import { waitFor } from "../support/wait.ts";

vi.setConfig({ testTimeout: 15_000 });

const MEGABYTE = 1024 * 1024;
const UPLOAD = randomBytes(20 * MEGABYTE);

/** The second way to include routectl's file: for all of a server, whose locations may have directives of their own. */
const LOCATIONS = `
  location ^~ /shop/uploads/ { set $routectl_service uploads; include routectl/proxy.conf; proxy_pass http://routectl/shop/; }
  include routectl/proxy.conf;
  location ^~ /small/ { set $routectl_service shop; client_max_body_size 1k; proxy_pass http://routectl; }
`;

let router: TestRouter;
const instances: Instance[] = [];
/** What the instance of `shop` has seen of the requests that it holds open. */
const held: { path: string; closed: boolean }[] = [];
/** Requests that reached the instance of `shop`. */
const seen: string[] = [];

async function shopInstance(): Promise<Instance> {
  const server = createHttpServer(async (request, response) => {
    const url = new URL(request.url ?? "", "http://shop");
    seen.push(`${request.method} ${url.pathname}`);
    switch (url.pathname.slice("/shop".length)) {
      case "/digest":
        response.end(JSON.stringify(await digestOf(request)));
        break;
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
      case "/refuse":
        response.writeHead(413).end("too large");
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

async function digestOf(request: IncomingMessage): Promise<{ bytes: number; digest: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of request) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { bytes, digest: hash.digest("hex") };
}

beforeAll(async () => {
  const shop = await shopInstance();
  // Ends every connection in the middle of an upload.
  const dying = await startInstance(
    createTcpServer((socket) => {
      let bytes = 0;
      socket.on("data", (chunk) => {
        bytes += chunk.length;
        if (bytes > MEGABYTE) socket.destroy();
      });
    }),
  );
  // Sends more than its Content-Length, as another answer that the next client would take for its own.
  const talkative = await startInstance(
    createTcpServer((socket) => {
      socket.on("data", () => {
        const answer = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
        socket.write(answer("right") + answer("wrong"));
      });
    }),
  );
  instances.push(shop, dying, talkative);
  router = await startRouterOf(
    {
      shop: { ports: [shop.port] },
      // The one that dies comes first.
      uploads: { ports: [dying.port, shop.port], policy: { algorithm: "best" } },
      talkative: { ports: [talkative.port] },
    },
    { workers: 1, locations: LOCATIONS },
  );
});
afterAll(async () => {
  await router.close();
  for (const instance of instances) await instance.kill();
});

const expected = { bytes: UPLOAD.length, digest: createHash("sha256").update(UPLOAD).digest("hex") };

/** The upload in pieces, as a client that does not know its length beforehand. */
function pieces(): Readable {
  const size = 64 * 1024;
  const chunks = Array.from({ length: UPLOAD.length / size }, (_, i) => UPLOAD.subarray(i * size, (i + 1) * size));
  return Readable.from(chunks);
}

test("a chunked upload of 20 MB arrives intact, and nginx does not keep it in memory", async () => {
  const [worker] = await childrenOf(router.pid);
  const before = await residentBytesOf(worker!);
  const response = await fetch(`${router.url}/shop/digest`, { method: "POST", body: pieces(), duplex: "half" });
  expect(await response.json()).toEqual(expected);
  expect((await residentBytesOf(worker!)) - before).toBeLessThan(5 * MEGABYTE);
});

test("a location may have a limit of its own for uploads", async () => {
  const upload = (bytes: number) => fetch(`${router.url}/small/`, { method: "POST", body: UPLOAD.subarray(0, bytes) });
  expect(await (await upload(1000)).text()).toBe("/small/");
  expect((await upload(1100)).status).toBe(413);
});

test("an upload whose instance dies in the middle arrives intact at another one", async () => {
  const response = await fetch(`${router.url}/shop/uploads/digest`, { method: "PUT", body: pieces(), duplex: "half" });
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual(expected);
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

test("Expect: 100-continue is answered before the client sends its body", async () => {
  const before = seen.length;
  const request = httpRequest(`${router.url}/shop/digest`, {
    method: "POST",
    headers: { expect: "100-continue", "content-length": String(UPLOAD.length) },
  });
  const answered = once(request, "response") as Promise<[IncomingMessage]>;
  await once(request, "continue");
  expect(seen.length).toBe(before);
  request.end(UPLOAD);
  const [response] = await answered;
  expect(JSON.parse((await response.toArray()).join(""))).toEqual(expected);
});

test("an instance that answers an upload before it has read it is heard", async () => {
  for (let i = 0; i < 5; i++) {
    const response = await fetch(`${router.url}/shop/refuse`, { method: "POST", body: UPLOAD });
    expect(`${response.status} ${await response.text()}`).toBe("413 too large");
  }
});

test("a request that is refused is answered without its body: the client need not send it", async () => {
  const client = openRawClient(router.url);
  client.send("POST /nobody/ HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n");
  const answer = await client.until(/unknown-service/);
  expect(answer).toMatch(/^HTTP\/1\.1 503 /m);
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

test("a client that goes away in the middle of its upload: no instance is bothered, and others are served", async () => {
  const before = seen.length;
  const client = openRawClient(router.url);
  client.send("POST /shop/digest HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000000\r\n\r\nhalf of it");
  expect(await (await fetch(`${router.url}/shop/one`)).text()).toBe("/shop/one");
  client.destroy();
  expect(await (await fetch(`${router.url}/shop/two`)).text()).toBe("/shop/two");
  expect(seen.slice(before)).toEqual(["GET /shop/one", "GET /shop/two"]);
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
