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
/** Requests that reached the instance of `shop`. */
const seen: string[] = [];

async function shopInstance(): Promise<Instance> {
  const server = createHttpServer(async (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    if (request.url === "/shop/digest") response.end(JSON.stringify(await digestOf(request)));
    else if (request.url === "/shop/refuse") response.writeHead(413).end("too large");
    else response.end(request.url);
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
  instances.push(shop, dying);
  const services = {
    shop: { ports: [shop.port] },
    // The one that dies comes first.
    uploads: { ports: [dying.port, shop.port], policy: { algorithm: "best" } },
  } as const;
  router = await startRouterOf(services, { workers: 1, locations: LOCATIONS });
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

test("a client that goes away in the middle of its upload: no instance is bothered, and others are served", async () => {
  const before = seen.length;
  const client = openRawClient(router.url);
  client.send("POST /shop/digest HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000000\r\n\r\nhalf of it");
  expect(await (await fetch(`${router.url}/shop/one`)).text()).toBe("/shop/one");
  client.destroy();
  expect(await (await fetch(`${router.url}/shop/two`)).text()).toBe("/shop/two");
  expect(seen.slice(before)).toEqual(["GET /shop/one", "GET /shop/two"]);
});
