import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import { join } from "node:path";
import { Metadata } from "@grpc/grpc-js";
import { Client } from "undici";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { freePort } from "../../cli/stack/ports.ts";
import { connectEcho, type EchoServer, startEchoServer } from "../support/grpc-echo.ts";
import { type Instance, startInstance } from "../support/instance.ts";
import { ROOT } from "../support/root.ts";
import type { TestRouter } from "../support/router.ts";
import { startRouterOf } from "../support/router-of.ts";
import { waitFor } from "../support/wait.ts";

vi.setConfig({ testTimeout: 20_000 });

/** Short enough to wait for. */
const PER_TRY_MS = 400;
const STREAM_IDLE_MS = 2000;

let router: TestRouter;
let instance: Instance;
let grpcInstance: EchoServer;
let grpcAddress: string;
/** What users include. */
let proxyConf: string;
/** Event streams that the instance has open, by their paths. */
const streams = new Map<string, ServerResponse>();
const atEnd: (() => unknown)[] = [];

beforeAll(async () => {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://instance");
    if (pathname.endsWith("/events")) {
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      streams.set(pathname, response);
      return;
    }
    const delayMs = searchParams.get("delayMs");
    if (delayMs === null) return;
    const timer = setTimeout(() => response.end("late"), Number(delayMs));
    response.on("close", () => clearTimeout(timer));
  });
  const socketServer = new WebSocketServer({ server });
  socketServer.on("connection", (socket) => {
    socket.on("error", () => undefined).on("message", (data) => socket.send(data));
  });
  instance = await startInstance(server);
  grpcInstance = await startEchoServer();
  const port = await freePort();
  grpcAddress = `127.0.0.1:${port}`;
  proxyConf = await readFile(join(ROOT, "nginx/proxy.conf"), "utf8");
  const oneOf = (directive: string) => proxyConf.replace(new RegExp(`^${directive} .*;$`, "m"), `${directive} 1s;`);
  const locations = `listen 127.0.0.1:${port} http2;
    location /echo.Echo/ { set $routectl_service $http_x_service; include routectl/proxy.conf; grpc_pass grpc://routectl; }
    location = /short-of-client/echo.Echo/Bidi {
      set $routectl_service plain-grpc;
      include routectl/proxy.conf;
      client_body_timeout 1s;
      rewrite ^ /echo.Echo/Bidi break;
      grpc_pass grpc://routectl;
    }
    location = /short-of-instance/echo.Echo/Bidi {
      set $routectl_service plain-grpc;
      ${oneOf("grpc_read_timeout")}
      rewrite ^ /echo.Echo/Bidi break;
      grpc_pass grpc://routectl;
    }
    location ^~ /short-of-instance/ {
      set $routectl_service plain;
      ${oneOf("proxy_read_timeout")}
      proxy_pass http://routectl;
    }`;
  const http = { ports: [instance.port] };
  const grpc = { ports: [grpcInstance.port] };
  const impatient = {
    policy: { algorithm: "weighted-random", maxAttempts: 1, timeouts: { perTryMs: PER_TRY_MS } },
  } as const;
  const brief = { policy: { algorithm: "weighted-random", timeouts: { streamIdleMs: STREAM_IDLE_MS } } } as const;
  router = await startRouterOf(
    {
      impatient: { ...http, ...impatient },
      "impatient-grpc": { ...grpc, ...impatient },
      brief: { ...http, ...brief },
      "brief-grpc": { ...grpc, ...brief },
      plain: http,
      "plain-grpc": grpc,
    },
    { workers: 1, locations },
  );
});
afterAll(async () => {
  for (const end of atEnd) await end();
  await router.close();
  await instance.kill();
  grpcInstance.kill();
});

/** A stream of some kind between a client and an instance. */
interface Stream {
  /** Sends something one way or both ways, and waits until it has come. */
  use(): Promise<unknown>;
  /** Whether the client has been told that it has ended. */
  isCut(): boolean;
}

async function openEvents(service: string, method: "GET" | "POST"): Promise<Stream> {
  const client = new Client(router.url, { bodyTimeout: 0 });
  atEnd.push(() => client.destroy());
  const path = `/${service}/${method}/events`;
  const { body } = await client.request({ path, method, headers: { accept: "application/json, text/event-stream" } });
  let cut = false;
  let text = "";
  body.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  for (const event of ["error", "end"]) {
    body.on(event, () => {
      cut = true;
    });
  }
  let sent = "";
  const use = async (): Promise<void> => {
    sent += "data: one\n\n";
    streams.get(path)!.write("data: one\n\n");
    await waitFor("the event", () => text === sent, 2000);
  };
  return { use, isCut: () => cut };
}

async function openWebSocket(service: string): Promise<Stream> {
  const client = new WebSocket(`${router.url.replace("http", "ws")}/${service}/`);
  atEnd.push(() => client.terminate());
  let cut = false;
  client.on("error", () => undefined);
  client.on("close", () => {
    cut = true;
  });
  await once(client, "open");
  const use = (): Promise<unknown> => {
    const answered = once(client, "message");
    client.send("one");
    return answered;
  };
  return { use, isCut: () => cut };
}

async function openBidi(service: string, path?: string, headers: Record<string, string> = {}): Promise<Stream> {
  const client = connectEcho(grpcAddress);
  atEnd.push(() => client.close());
  const metadata = new Metadata();
  for (const [key, value] of Object.entries({ ...headers, "x-service": service })) metadata.set(key, value);
  const call = client.bidi({ metadata, ...(path === undefined ? {} : { path }) });
  let cut = false;
  call.on("error", () => undefined);
  call.on("status", () => {
    cut = true;
  });
  const use = (): Promise<unknown> => {
    const answered = once(call, "data");
    call.write(Buffer.from("one"));
    return answered;
  };
  await use();
  return { use, isCut: () => cut };
}

const kinds: Readonly<Record<string, (service: string) => Promise<Stream>>> = {
  "server-sent events": (service) => openEvents(service, "GET"),
  "server-sent events as the answer to a POST": (service) => openEvents(service, "POST"),
  WebSocket: openWebSocket,
  gRPC: (service) => openBidi(`${service}-grpc`),
  "gRPC whose client says what it accepts": (service) => openBidi(`${service}-grpc`, undefined, { accept: "*/*" }),
};

describe.concurrent("which time ends what", () => {
  test.each(
    Object.keys(kinds),
  )("%s: not ended by the time of a plain request, however long it is silent", async (kind) => {
    const stream = await kinds[kind]!("impatient");
    for (let i = 0; i < 3; i++) {
      const startedAt = performance.now();
      const response = await fetch(`${router.url}/impatient/`);
      expect(response.status).toBe(504);
      expect(performance.now() - startedAt).toBeGreaterThan(PER_TRY_MS - 50);
    }
    expect(stream.isCut()).toBe(false);
    await stream.use();
  });

  test.each(
    Object.keys(kinds),
  )("%s: ended by the time of streams, which begins anew with all that comes", async (kind) => {
    const stream = await kinds[kind]!("brief");
    let usedAt = performance.now();
    while (performance.now() - usedAt < STREAM_IDLE_MS / 2) await fetch(`${router.url}/brief/?delayMs=50`);
    usedAt = performance.now();
    await stream.use();
    await waitFor("its end", () => stream.isCut(), 5000);
    // Had it not begun anew, half of the time would have been left. (nginx moves timers by no less than 0.3 s.)
    expect(performance.now() - usedAt).toBeGreaterThan(STREAM_IDLE_MS * 0.75);
  });

  test("a plain request is not ended by the time of streams", async () => {
    const response = await fetch(`${router.url}/brief/?delayMs=${STREAM_IDLE_MS + 500}`);
    expect(`${response.status} ${await response.text()}`).toBe("200 late");
  });

  test.each([
    ["proxy_read_timeout", () => openEvents("plain", "GET"), () => openEvents("short-of-instance", "GET")],
    ["proxy_read_timeout", () => openWebSocket("plain"), () => openWebSocket("short-of-instance")],
    ["grpc_read_timeout", () => openBidi("plain-grpc"), () => openBidi("", "/short-of-instance/echo.Echo/Bidi")],
  ])("a stream of a service without times of its own is ended by %s, which is an hour or more", async (directive, openLong, openShort) => {
    const [, count, unit] = new RegExp(`^${directive} (\\d+)([hd]);$`, "m").exec(proxyConf) ?? [];
    expect([Number(count) >= 1, unit]).toEqual([true, expect.stringMatching(/^[hd]$/)]);
    const [long, short] = [await openLong(), await openShort()];
    await waitFor("the end of the one whose time is a second", () => short.isCut(), 5000);
    expect(long.isCut()).toBe(false);
    await long.use();
  });

  test("a gRPC client that says nothing for now is waited for by client_body_timeout of its location", async () => {
    const [long, short] = [await openBidi("plain-grpc"), await openBidi("", "/short-of-client/echo.Echo/Bidi")];
    await waitFor("the end of the one whose time is a second", () => short.isCut(), 5000);
    expect(long.isCut()).toBe(false);
    await long.use();
  });
});
