import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { Client } from "undici";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { freePort } from "../../cli/stack/ports.ts";
import { type Instance, startInstance } from "../support/instance.ts";
import type { TestRouter } from "../support/router.ts";
import { startRouterOf } from "../support/router-of.ts";
import { undisturbed } from "../support/undisturbed.ts";
import { waitFor } from "../support/wait.ts";

vi.setConfig({ testTimeout: 15_000 });

let router: TestRouter;
let instance: Instance;
let http2Port: number;
/** The streams that the instance has open, oldest first. */
const streams: { request: IncomingMessage; response: ServerResponse; closed: boolean }[] = [];
const clients: Client[] = [];

beforeAll(async () => {
  instance = await startInstance(
    createServer((request, response) => {
      const stream = { request, response, closed: false };
      response.on("close", () => {
        stream.closed = true;
      });
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" }).flushHeaders();
      streams.push(stream);
    }),
  );
  http2Port = await freePort();
  const locations = `listen 127.0.0.1:${http2Port} http2;`;
  router = await startRouterOf({ news: { ports: [instance.port] } }, { workers: 1, locations });
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.destroy();
  for (const { response } of streams.splice(0)) response.destroy();
});
afterAll(async () => {
  await router.close();
  await instance.kill();
});

/** What a client reads of one stream. */
interface Reader {
  text(): string;
  /** Whether the stream has ended, and how. */
  end(): string | undefined;
}

function connect(): Client {
  const client = new Client(router.url, { headersTimeout: 5000, bodyTimeout: 5000 });
  clients.push(client);
  return client;
}

async function openStream(): Promise<Reader> {
  const client = connect();
  const { statusCode, headers, body } = await client.request({
    path: "/news/",
    method: "GET",
    headers: { accept: "text/event-stream" },
  });
  expect(statusCode).toBe(200);
  expect(headers["content-type"]).toBe("text/event-stream");
  let text = "";
  let end: string | undefined;
  body.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  body.on("end", () => {
    end ??= "ended";
  });
  body.on("error", () => {
    end ??= "cut";
  });
  return { text: () => text, end: () => end };
}

/** Sends an event on the newest stream. @returns milliseconds until the client has it */
async function timeEvent(reader: Reader, data: string): Promise<number> {
  const event = `data: ${data}\n\n`;
  const sentAt = performance.now();
  streams.at(-1)!.response.write(event);
  while (!reader.text().endsWith(event)) {
    if (performance.now() - sentAt > 5000) throw new Error(`event ${data} has not come within 5 s`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return performance.now() - sentAt;
}

test("the headers come before the first event, and the first event within 20 ms", async () => {
  const times: number[] = [];
  for (let i = 0; i < 21; i++) times.push(await timeEvent(await openStream(), "first"));
  expect(undisturbed(times)).toBeLessThan(20);
});

test("each of many events comes when it is sent, the small as well as those larger than a buffer", async () => {
  const reader = await openStream();
  const times: number[] = [];
  for (let i = 0; i < 100; i++) times.push(await timeEvent(reader, `${i} ${"x".repeat(i % 10 === 9 ? 40_000 : i)}`));
  expect(undisturbed(times)).toBeLessThan(20);
  expect(reader.text().match(/^data: /gm)).toHaveLength(100);
});

test("a client that reads nothing for a while gets everything in the end", async () => {
  const client = connect();
  const { body } = await client.request({ path: "/news/", method: "GET" });
  const events = Array.from({ length: 2000 }, (_, i) => `data: ${i} ${"x".repeat(10_000)}\n\n`);
  const { response } = streams.at(-1)!;
  for (const event of events) response.write(event);
  // nginx can't take 20 MB that nobody reads: the instance has to wait.
  await waitFor("what is on its way to be full", async () => {
    const before = response.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return response.writableLength === before;
  });
  expect(response.writableLength).toBeGreaterThan(1_000_000);
  response.end();
  expect(await body.text()).toBe(events.join(""));
});

test("the client that closes its stream closes the instance's", async () => {
  await openStream();
  const stream = streams.at(-1)!;
  expect(stream.closed).toBe(false);
  await clients.at(-1)!.destroy();
  await waitFor("the instance to see it", () => stream.closed, 5000);
});

test("an instance that dies in the middle ends the stream: the client knows that it has to come again", async () => {
  const reader = await openStream();
  await timeEvent(reader, "one");
  streams.at(-1)!.response.destroy();
  await waitFor("the end of the stream", () => reader.end() !== undefined, 5000);
  expect(reader.end()).toBe("cut");
  expect(reader.text()).toBe("data: one\n\n");
});

test("Last-Event-ID reaches the instance", async () => {
  const client = connect();
  await client.request({ path: "/news/", method: "GET", headers: { "last-event-id": "41" } });
  expect(streams.at(-1)!.request.headers["last-event-id"]).toBe("41");
});

test("over HTTP/2 many streams share a connection, and events come when they are sent", async () => {
  const session = connectHttp2(`http://127.0.0.1:${http2Port}`);
  try {
    const texts: string[] = [];
    for (let i = 0; i < 50; i++) {
      const stream = session.request({ ":path": "/news/", accept: "text/event-stream" });
      texts.push("");
      stream.on("data", (chunk: Buffer) => {
        texts[i] += chunk.toString();
      });
    }
    await waitFor("all streams", () => streams.length === 50);
    const times: number[] = [];
    for (let round = 1; round <= 12; round++) {
      const sentAt = performance.now();
      for (const { response } of streams) response.write("data: one\n\n");
      const all = "data: one\n\n".repeat(round);
      while (!texts.every((text) => text === all)) {
        if (performance.now() - sentAt > 5000) throw new Error(`round ${round} has not come within 5 s`);
        await new Promise((resolve) => setImmediate(resolve));
      }
      times.push(performance.now() - sentAt);
    }
    expect(undisturbed(times)).toBeLessThan(250);
  } finally {
    session.destroy();
  }
});
