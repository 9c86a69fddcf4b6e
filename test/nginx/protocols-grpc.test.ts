import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect as connectTcp, createServer as createTcpServer, type Server } from "node:net";
import { Metadata, type ServerUnaryCall, status } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { freePort } from "../../cli/stack/ports.ts";
import {
  type Bidi,
  connectEcho,
  type EchoClient,
  type EchoServer,
  readAll,
  type ServerStream,
  startEchoServer,
} from "../support/grpc-echo.ts";
import { type Instance, startInstance } from "../support/instance.ts";
import type { TestRouter } from "../support/router.ts";
import { startRouterOf } from "../support/router-of.ts";
import { undisturbed } from "../support/undisturbed.ts";
import { waitFor } from "../support/wait.ts";

vi.setConfig({ testTimeout: 15_000 });

const MEGABYTE = 1024 * 1024;

let router: TestRouter;
let address: string;
const servers: EchoServer[] = [];
const clients: EchoClient[] = [];
/** It gets killed. */
let doomed: EchoServer;
/** Speaks HTTP/1.1, and the two on one port. */
let plain: Instance;
let shared: Instance;
/** The newest call of each kind, as the instance has it. */
let unaryCall: ServerUnaryCall<Buffer, Buffer>;
let streamCall: ServerStream;
let bidiCall: Bidi;

beforeAll(async () => {
  const full = await startEchoServer({
    unary: (call, answer) => {
      unaryCall = call;
      const [word] = call.request.subarray(0, 20).toString().split(" ");
      switch (word) {
        case "hang":
          break;
        case "fail": {
          const metadata = new Metadata();
          metadata.set("x-reason", "none left");
          metadata.set("details-bin", Buffer.from([0, 1, 2, 255]));
          answer({ code: status.RESOURCE_EXHAUSTED, details: "späť, 100 %", metadata });
          break;
        }
        case "metadata": {
          const initial = new Metadata();
          initial.set("x-initial", "first");
          call.sendMetadata(initial);
          const trailers = new Metadata();
          trailers.set("x-trailer", "last");
          trailers.set("x-trailer-bin", Buffer.from([0, 255]));
          answer(null, Buffer.from(JSON.stringify(call.metadata.getMap())), trailers);
          break;
        }
        default:
          answer(null, call.request);
      }
    },
    serverStream: (call) => {
      streamCall = call;
      const [word, count] = call.request.toString().split(" ");
      if (word === "hold") {
        call.write(Buffer.from("first"));
        return;
      }
      for (let i = 0; i < Number(count); i++) call.write(Buffer.from(`${i}`));
      if (word === "break") call.emit("error", { code: status.DATA_LOSS, details: "half of it" });
      else call.end();
    },
    bidi: (call) => {
      bidiCall = call;
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    },
  });
  const refusing = await startEchoServer({
    clientStream: (_call, answer) => answer({ code: status.UNAUTHENTICATED, details: "log in" }),
  });
  const dead = await startEchoServer();
  dead.kill();
  doomed = await startEchoServer({ serverStream: (call) => void call.write(Buffer.from("first")) });
  servers.push(full, refusing, doomed);
  plain = await startInstance(createServer((_request, response) => response.end("in HTTP/1.1")));
  shared = await startInstance(onePortFor(full.port, plain.port));
  const port = await freePort();
  address = `127.0.0.1:${port}`;
  // Which service is meant, a header says.
  const locations = `listen 127.0.0.1:${port} http2;
    location /echo.Echo/ { set $routectl_service $http_x_service; include routectl/proxy.conf; grpc_pass grpc://routectl; }
    location = /echo.Echo/OnSharedPort {
      set $routectl_service shared;
      include routectl/proxy.conf;
      rewrite ^ /echo.Echo/Unary break;
      grpc_pass grpc://routectl_grpc;
    }`;
  router = await startRouterOf(
    {
      echo: { ports: [full.port] },
      refusing: { ports: [refusing.port] },
      "half-dead": { ports: [dead.port, full.port], policy: { algorithm: "best" } },
      dead: { ports: [dead.port] },
      doomed: { ports: [doomed.port] },
      shared: { ports: [shared.port] },
    },
    { workers: 1, locations },
  );
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});
afterAll(async () => {
  await router.close();
  for (const server of servers) server.kill();
  await shared.kill();
  await plain.kill();
});

/** A server that passes a connection on to one of two ports by how it begins, as gRPC's and HTTP's on one port do. */
function onePortFor(grpcPort: number, httpPort: number): Server {
  return createTcpServer((socket) => {
    socket.once("data", (begin) => {
      const upstream = connectTcp(begin.toString().startsWith("PRI * HTTP/2.0") ? grpcPort : httpPort, "127.0.0.1");
      upstream.on("error", () => socket.destroy());
      upstream.write(begin);
      socket.pipe(upstream).pipe(socket);
    });
  });
}

function connect(): EchoClient {
  const client = connectEcho(address);
  clients.push(client);
  return client;
}

function to(service: string, entries: Readonly<Record<string, string | Buffer>> = {}): { metadata: Metadata } {
  const metadata = new Metadata();
  metadata.set("x-service", service);
  for (const [key, value] of Object.entries(entries)) metadata.set(key, value);
  return { metadata };
}

const inFuture = (ms: number): Date => new Date(Date.now() + ms);

test("unary: the answer comes back, with status OK", async () => {
  const { messages, status: end } = await connect().unary(Buffer.from("hello"), to("echo"));
  expect(String(messages[0])).toBe("hello");
  expect(end.code).toBe(status.OK);
});

test("a message of nearly 4 MB passes both ways", async () => {
  const message = randomBytes(4 * MEGABYTE - 16);
  const { messages, status: end } = await connect().unary(message, to("echo"));
  expect(end.details).toBe("OK");
  expect(messages[0]!.equals(message)).toBe(true);
});

test("metadata passes both ways, text and binary, before and after the answer", async () => {
  const options = to("echo", { "x-user-id": "u1", "x-blob-bin": Buffer.from([0, 128, 255]) });
  const { messages, metadata, status: end } = await connect().unary(Buffer.from("metadata"), options);
  const received = JSON.parse(String(messages[0])) as Record<string, unknown>;
  expect(received).toMatchObject({ "x-user-id": "u1", "x-blob-bin": { data: [0, 128, 255] } });
  expect(received).toMatchObject({
    "x-real-ip": "127.0.0.1",
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-proto": "http",
  });
  expect(unaryCall.getHost()).toBe(address);
  expect(metadata?.get("x-initial")).toEqual(["first"]);
  expect(end.metadata.get("x-trailer")).toEqual(["last"]);
  expect(end.metadata.get("x-trailer-bin")).toEqual([Buffer.from([0, 255])]);
});

test("a status other than OK passes with its message and its trailers", async () => {
  const { messages, status: end } = await connect().unary(Buffer.from("fail"), to("echo"));
  expect(messages).toEqual([]);
  expect(end).toMatchObject({ code: status.RESOURCE_EXHAUSTED, details: "späť, 100 %" });
  expect(end.metadata.get("x-reason")).toEqual(["none left"]);
  expect(end.metadata.get("details-bin")).toEqual([Buffer.from([0, 1, 2, 255])]);
});

test("a method that the instance does not have is UNIMPLEMENTED, as the instance says", async () => {
  const { status: end } = await connect().unary(Buffer.from("x"), { ...to("echo"), path: "/echo.Echo/Missing" });
  expect(end.code).toBe(status.UNIMPLEMENTED);
});

test("server streaming: every message, in order, and the status behind them", async () => {
  const { messages, status: end } = await readAll(connect().serverStream(Buffer.from("count 1000"), to("echo")));
  expect(messages.map(String)).toEqual(Array.from({ length: 1000 }, (_, i) => `${i}`));
  expect(end.code).toBe(status.OK);
});

test("server streaming: an error in the middle comes after the messages before it", async () => {
  const { messages, status: end } = await readAll(connect().serverStream(Buffer.from("break 10"), to("echo")));
  expect(messages).toHaveLength(10);
  expect(end).toMatchObject({ code: status.DATA_LOSS, details: "half of it" });
});

test("server streaming: a message comes when it is sent", async () => {
  const call = connect().serverStream(Buffer.from("hold"), to("echo"));
  const messages: string[] = [];
  call.on("error", () => undefined).on("data", (message: Buffer) => messages.push(String(message)));
  await waitFor("the first message", () => messages.length === 1, 5000);
  const times: number[] = [];
  for (let i = 0; i < 20; i++) {
    const sentAt = performance.now();
    streamCall.write(Buffer.from(`${i}`));
    const count = messages.length;
    while (messages.length === count) {
      if (performance.now() - sentAt > 5000) throw new Error(`message ${i} has not come within 5 s`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    times.push(performance.now() - sentAt);
  }
  expect(undisturbed(times)).toBeLessThan(20);
  call.cancel();
  await waitFor("the instance to see that the client has cancelled", () => streamCall.cancelled, 5000);
});

test("client streaming: 20 MB in 1000 messages arrive, though that is more than nginx takes by default", async () => {
  const { call, outcome } = connect().clientStream(to("echo"));
  for (let i = 0; i < 1000; i++) call.write(Buffer.alloc(20 * 1024, i));
  call.end();
  const { messages, status: end } = await outcome;
  expect(end.details).toBe("OK");
  expect(String(messages[0])).toBe(`1000 ${1000 * 20 * 1024}`);
});

test("client streaming: an instance that refuses at once is heard while the client still sends", async () => {
  const { call, outcome } = connect().clientStream(to("refusing"));
  call.on("error", () => undefined);
  call.write(Buffer.from("one"));
  expect((await outcome).status).toMatchObject({ code: status.UNAUTHENTICATED, details: "log in" });
});

test("bidirectional: each message is answered before the next one is sent", async () => {
  const call = connect().bidi(to("echo"));
  const outcome = readAll(call);
  for (let i = 0; i < 100; i++) {
    const answered = once(call, "data");
    call.write(Buffer.from(`${i}`));
    expect(String((await answered)[0])).toBe(`${i}`);
  }
  call.end();
  const { messages, status: end } = await outcome;
  expect(end.code).toBe(status.OK);
  expect(messages).toHaveLength(100);
});

test("bidirectional: a client that cancels is seen by the instance", async () => {
  const call = connect().bidi(to("echo"));
  call.on("error", () => undefined);
  const answered = once(call, "data");
  call.write(Buffer.from("mine"));
  await answered;
  expect(bidiCall.cancelled).toBe(false);
  call.cancel();
  await waitFor("the instance to see it", () => bidiCall.cancelled, 5000);
});

test("a deadline passes to the instance, and is exceeded for both", async () => {
  const { status: end } = await connect().unary(Buffer.from("hang"), { ...to("echo"), deadline: inFuture(1000) });
  expect(end.code).toBe(status.DEADLINE_EXCEEDED);
  const deadline = unaryCall.getDeadline();
  expect(deadline).not.toBe(Number.POSITIVE_INFINITY);
  expect(Math.abs(Number(deadline) - Date.now())).toBeLessThan(2000);
  await waitFor("the instance to end the call", () => unaryCall.cancelled, 5000);
});

test("an instance that can't be reached is passed over", async () => {
  const client = connect();
  for (let i = 0; i < 5; i++) {
    const { messages } = await client.unary(Buffer.from("hello"), to("half-dead"));
    expect(String(messages[0])).toBe("hello");
  }
});

test("an instance that is killed in the middle of a stream ends it, and not as if all had come", async () => {
  const call = connect().serverStream(Buffer.from("hold"), to("doomed"));
  const outcome = readAll(call);
  await once(call, "data");
  doomed.kill();
  const { messages, status: end } = await outcome;
  expect(messages.map(String)).toEqual(["first"]);
  expect([status.INTERNAL, status.UNAVAILABLE]).toContain(end.code);
});

test.each(["dead", "unknown"])("a service without an instance that answers (%s) is UNAVAILABLE", async (service) => {
  const { status: end } = await connect().unary(Buffer.from("hello"), to(service));
  expect(end.code).toBe(status.UNAVAILABLE);
});

test("an instance may speak HTTP/1.1 on the same port: neither gets the other's connections", async () => {
  const client = connect();
  for (let i = 0; i < 10; i++) {
    const { messages } = await client.unary(Buffer.from(`${i}`), { path: "/echo.Echo/OnSharedPort" });
    expect(String(messages[0])).toBe(`${i}`);
    expect(await (await fetch(`${router.url}/shared/`)).text()).toBe("in HTTP/1.1");
  }
});

test("200 calls at once over one connection", async () => {
  const client = connect();
  const calls = Array.from({ length: 200 }, (_, i) => client.unary(Buffer.from(`call-${i}`), to("echo")));
  const outcomes = await Promise.all(calls);
  expect(outcomes.map(({ messages }) => String(messages[0]))).toEqual(calls.map((_, i) => `call-${i}`));
});
