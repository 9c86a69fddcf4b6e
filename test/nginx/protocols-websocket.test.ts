import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { Policy } from "../../lua/core/types.ts";
import { type Instance, startInstance } from "../support/instance.ts";
import { openRawClient } from "../support/raw-http.ts";
import type { TestRouter } from "../support/router.ts";
import { startRouterOf } from "../support/router-of.ts";
import { childrenOf } from "../support/stack.ts";
import { waitFor } from "../support/wait.ts";

vi.setConfig({ testTimeout: 15_000 });

/** An instance that echoes what it gets, and says who it is in the answer to the handshake. */
interface EchoInstance extends Instance {
  readonly id: string;
  readonly sockets: ReadonlySet<WebSocket>;
  /** How the connections of the past have ended, as this side has seen it. */
  readonly ends: readonly { readonly code: number; readonly reason: string }[];
}

let router: TestRouter;
/** Every instance; those of `chat` and `room` come first. */
const echoes: EchoInstance[] = [];
/** Those of the services one of whose instances gets killed. */
let doomedEchoes: Readonly<Record<string, readonly EchoInstance[]>> = {};
/** What clients have sent with their handshakes. */
const handshakes: IncomingHttpHeaders[] = [];
const clients: WebSocket[] = [];

async function startEcho(id: string): Promise<EchoInstance> {
  const server = createServer((request, response) => response.end(`${id} ${request.headers.upgrade ?? "-"}`));
  const socketServer = new WebSocketServer({ noServer: true, maxPayload: 16 * 1024 * 1024, handleProtocols: firstOf });
  socketServer.on("headers", (headers) => headers.push(`x-instance: ${id}`));
  const ends: { code: number; reason: string }[] = [];
  server.on("upgrade", (request, socket, head) => {
    handshakes.push(request.headers);
    if (request.url?.includes("refuse")) {
      socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 7\r\n\r\nlog in!");
      return;
    }
    socketServer.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on("error", () => undefined);
      webSocket.on("close", (code, reason) => ends.push({ code, reason: reason.toString() }));
      webSocket.on("message", (data, isBinary) => {
        const text = isBinary ? "" : data.toString();
        const [, code, reason] = /^close (\d+) (.*)$/.exec(text) ?? [];
        if (code === undefined) webSocket.send(data, { binary: isBinary });
        else webSocket.close(Number(code), reason);
      });
    });
  });
  return { ...(await startInstance(server)), id, sockets: socketServer.clients, ends };
}

function firstOf(protocols: Set<string>): string | false {
  return [...protocols][0] ?? false;
}

beforeAll(async () => {
  const start = (...ids: string[]) => Promise.all(ids.map(startEcho));
  echoes.push(...(await start("a", "b", "c")));
  doomedEchoes = { header: await start("d", "e", "f"), query: await start("g", "h", "i") };
  echoes.push(...Object.values(doomedEchoes).flat());
  const portsOf = (some: readonly EchoInstance[]): number[] => some.map(({ port }) => port);
  const byHeader: Policy = { algorithm: "consistent-hash", hashOn: "header:x-user-id" };
  const byQuery: Policy = { algorithm: "consistent-hash", hashOn: "query:user" };
  router = await startRouterOf({
    chat: { ports: [echoes[0]!.port] },
    "room-by-header": { ports: portsOf(echoes.slice(0, 3)), policy: byHeader },
    "room-by-query": { ports: portsOf(echoes.slice(0, 3)), policy: byQuery },
    "doomed-by-header": { ports: portsOf(doomedEchoes["header"]!), policy: byHeader },
    "doomed-by-query": { ports: portsOf(doomedEchoes["query"]!), policy: byQuery },
  });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
});
afterAll(async () => {
  await router.close();
  for (const echo of echoes) await echo.kill();
});

interface Opened {
  readonly client: WebSocket;
  readonly instance: string;
}

async function open(path: string, headers: Record<string, string> = {}, protocols: string[] = []): Promise<Opened> {
  const client = new WebSocket(`${router.url.replace("http", "ws")}${path}`, protocols, { headers });
  clients.push(client);
  let instance = "";
  client.on("upgrade", ({ headers }) => {
    instance = String(headers["x-instance"]);
  });
  await once(client, "open");
  return { client, instance };
}

async function echoOf(client: WebSocket, message: string | Buffer): Promise<Buffer> {
  const answered = once(client, "message");
  client.send(message);
  const [data] = (await answered) as [Buffer];
  return data;
}

test("messages come back in their order", async () => {
  const { client } = await open("/chat/");
  const messages = Array.from({ length: 500 }, (_, i) => `message ${i}`);
  const received: string[] = [];
  client.on("message", (data) => received.push(data.toString()));
  for (const message of messages) client.send(message);
  await waitFor("all echoes", () => received.length === messages.length);
  expect(received).toEqual(messages);
});

test("a binary message of 1 MB comes back as it was", async () => {
  const { client } = await open("/chat/");
  const message = randomBytes(1024 * 1024);
  expect((await echoOf(client, message)).equals(message)).toBe(true);
});

test("pings of either side are answered by the other", async () => {
  const { client } = await open("/chat/");
  const ponged = once(client, "pong");
  client.ping("from the client");
  expect(String((await ponged)[0])).toBe("from the client");
  const [server] = [...echoes[0]!.sockets];
  const [pinged, serverPonged] = [once(client, "ping"), once(server!, "pong")];
  server!.ping("from the instance");
  expect(String((await pinged)[0])).toBe("from the instance");
  expect(String((await serverPonged)[0])).toBe("from the instance");
});

test.each([
  [1000, "done"],
  [1001, "going away"],
  [1008, "policy"],
  [4321, "of our own"],
])("close code %i passes both ways", async (code, reason) => {
  const { client } = await open("/chat/");
  const closed = once(client, "close");
  client.send(`close ${code} ${reason}`);
  const [seenCode, seenReason] = (await closed) as [number, Buffer];
  expect([seenCode, seenReason.toString()]).toEqual([code, reason]);

  const { client: other } = await open("/chat/");
  const before = echoes[0]!.ends.length;
  other.close(code, reason);
  await waitFor("the instance to see it", () => echoes[0]!.ends.length > before);
  expect(echoes[0]!.ends.slice(before)).toContainEqual({ code, reason });
});

test("a client that goes away without a word: the instance sees it", async () => {
  const { client } = await open("/chat/");
  const before = echoes[0]!.ends.length;
  client.terminate();
  await waitFor("the instance to see it", () => echoes[0]!.ends.length > before, 5000);
  expect(echoes[0]!.ends[before]?.code).toBe(1006);
});

test("subprotocol, cookies and origin reach the instance, and the host is the one that the client has named", async () => {
  const origin = router.url;
  const { client } = await open("/chat/", { origin, cookie: "session=1" }, ["chat.v2", "chat.v1"]);
  expect(client.protocol).toBe("chat.v2");
  expect(handshakes.at(-1)).toMatchObject({ origin, cookie: "session=1", host: new URL(origin).host });
});

test("a handshake that the instance refuses is answered with its own words, and the next one works", async () => {
  const client = new WebSocket(`${router.url.replace("http", "ws")}/chat/refuse`);
  client.on("error", () => undefined);
  const [, response] = await once(client, "unexpected-response");
  expect(response.statusCode).toBe(401);
  expect((await response.toArray()).join("")).toBe("log in!");
  const next = await open("/chat/");
  expect(String(await echoOf(next.client, "hello"))).toBe("hello");
});

test("an upgrade to anything else is not passed on: past nginx's locations nobody may speak to an instance", async () => {
  const client = openRawClient(router.url);
  client.send(
    "GET /chat/ HTTP/1.1\r\nHost: chat\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
  );
  // As a client that does not speak WebSocket at all: it is answered in HTTP/1.1.
  expect(await client.until(/a -$/)).toMatch(/^HTTP\/1\.1 200 /);
  client.destroy();
});

test("nginx reloaded: an open WebSocket goes on", async () => {
  const { client } = await open("/chat/");
  const before = new Set(await childrenOf(router.pid));
  process.kill(router.pid, "SIGHUP");
  await waitFor(
    "new workers",
    async () => (await childrenOf(router.pid)).filter((pid) => !before.has(pid)).length >= 2,
  );
  expect(String(await echoOf(client, "still here"))).toBe("still here");
  client.close();
});

/** How a user is told from others. */
const users = [
  { by: "header", of: (service: string, user: string) => open(`/${service}-by-header/`, { "x-user-id": user }) },
  { by: "query", of: (service: string, user: string) => open(`/${service}-by-query/?user=${user}`) },
];

test.each(users)("users by $by have an instance of their own, and together all of them", async ({ of }) => {
  const instances = new Map<string, string>();
  for (let visit = 0; visit < 36; visit++) {
    const user = `user-${visit % 12}`;
    const { client, instance } = await of("room", user);
    client.terminate();
    expect(instance).toBe(instances.get(user) ?? instance);
    instances.set(user, instance);
  }
  expect(new Set(instances.values()).size).toBeGreaterThan(1);
});

test.each(users)("users by $by whose instance is killed come back to a healthy one, and the others stay", async ({
  by,
  of,
}) => {
  const names = Array.from({ length: 12 }, (_, i) => `user-${i}`);
  const before = new Map<string, Opened>();
  for (const name of names) before.set(name, await of("doomed", name));
  const doomed = doomedEchoes[by]!.find(({ id }) => id === before.get("user-0")?.instance)!;
  const survivors = names.filter((name) => before.get(name)?.instance !== doomed.id);
  expect(survivors.length).toBeGreaterThan(0);

  const codes: number[] = [];
  for (const name of names) before.get(name)!.client.on("close", (code) => codes.push(code));
  await doomed.kill();
  await waitFor("its clients to notice", () => codes.length === names.length - survivors.length, 5000);
  expect(codes.every((code) => code === 1006)).toBe(true);
  for (const name of names) {
    const { client, instance } = await of("doomed", name);
    expect(instance).not.toBe(doomed.id);
    if (survivors.includes(name)) expect(instance).toBe(before.get(name)?.instance);
    expect(String(await echoOf(client, `${name} again`))).toBe(`${name} again`);
  }
  for (const name of survivors) expect(String(await echoOf(before.get(name)!.client, "all along"))).toBe("all along");
});
