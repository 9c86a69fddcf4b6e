import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders as Http2Headers } from "node:http2";
import { request as httpsRequest } from "node:https";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { freePort } from "../../cli/stack/ports.ts";
import { makeCertificate, type TestCertificate } from "../support/certificate.ts";
import { type Instance, startInstance } from "../support/instance.ts";
import type { TestRouter } from "../support/router.ts";
import { startRouterOf } from "../support/router-of.ts";
import { waitFor } from "../support/wait.ts";

vi.setConfig({ testTimeout: 15_000 });

let router: TestRouter;
let certificate: TestCertificate;
const instances: Instance[] = [];
const sessions: ClientHttp2Session[] = [];
/** Where HTTP/2 is spoken in clear, as by a load balancer in front, and over TLS, as by browsers. */
const origins = { clear: "", tls: "" };
/** Paths of requests that the instances hold open, and whether they have been closed. */
const held = new Map<string, boolean>();

async function startShop(id: string): Promise<Instance> {
  const server = createServer(async (request, response) => {
    const path = request.url ?? "";
    if (path.startsWith("/shop/hold")) {
      held.set(path, false);
      response.on("close", () => held.set(path, true));
      response.writeHead(200).write("part");
      return;
    }
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const chunk of request) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
    const { method, headers, httpVersion } = request;
    if (path.startsWith("/shop/big")) response.end(Buffer.alloc(5_000_000, "x"));
    else response.end(JSON.stringify({ id, method, path, headers, httpVersion, bytes, digest: hash.digest("hex") }));
  });
  return startInstance(server);
}

beforeAll(async () => {
  for (const id of ["a", "b", "c"]) instances.push(await startShop(id));
  certificate = await makeCertificate();
  const [clear, tls] = [await freePort(), await freePort()];
  origins.clear = `http://127.0.0.1:${clear}`;
  origins.tls = `https://127.0.0.1:${tls}`;
  const locations = `listen 127.0.0.1:${clear} http2;
    listen 127.0.0.1:${tls} ssl http2;
    ssl_certificate ${certificate.certificateFile};
    ssl_certificate_key ${certificate.keyFile};`;
  const ports = instances.map(({ port }) => port);
  router = await startRouterOf({ shop: { ports } }, { workers: 1, locations });
});
afterEach(() => {
  for (const session of sessions.splice(0)) session.destroy();
});
afterAll(async () => {
  await router.close();
  await certificate.remove();
  for (const instance of instances) await instance.kill();
});

interface Seen {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly httpVersion: string;
  readonly bytes: number;
  readonly digest: string;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

function open(origin: string): ClientHttp2Session {
  const session = connect(origin, { ca: certificate.pem, maxSendHeaderBlockLength: 4 * 1024 * 1024 });
  session.on("error", () => undefined);
  sessions.push(session);
  return session;
}

async function ask(session: ClientHttp2Session, headers: Record<string, string>, body?: Buffer): Promise<Answer> {
  const stream = session.request(headers, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  const [answered] = (await once(stream, "response")) as [Http2Headers & { ":status": number }];
  const chunks = (await stream.toArray()) as Buffer[];
  return { status: answered[":status"], body: Buffer.concat(chunks).toString() };
}

function bigHeaders(): Record<string, string> {
  const value = (): string => randomBytes(12 * 1024).toString("base64");
  return { ":path": "/shop/", ...Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`x-big-${i}`, value()])) };
}

const seenIn = ({ body }: Answer): Seen => JSON.parse(body) as Seen;

describe.each(["clear", "tls"] as const)("over HTTP/2 (%s)", (kind) => {
  test("an instance of HTTP/1.1 answers, and is told the host, the client's address and the scheme", async () => {
    const session = open(origins[kind]);
    const { method, path, headers, httpVersion } = seenIn(await ask(session, { ":path": "/shop/one?q=1" }));
    expect({ method, path, httpVersion }).toEqual({ method: "GET", path: "/shop/one?q=1", httpVersion: "1.1" });
    expect(headers).toMatchObject({
      host: new URL(origins[kind]).host,
      "x-real-ip": "127.0.0.1",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": kind === "tls" ? "https" : "http",
    });
    if (kind === "tls") expect(session.alpnProtocol).toBe("h2");
  });

  test("an upload of 20 MB whose length is not known beforehand arrives intact", async () => {
    const body = randomBytes(20 * 1024 * 1024);
    const answer = await ask(open(origins[kind]), { ":path": "/shop/upload", ":method": "POST" }, body);
    const { bytes, digest } = seenIn(answer);
    expect({ bytes, digest }).toEqual({ bytes: body.length, digest: createHash("sha256").update(body).digest("hex") });
  });

  test("500 requests at once on one connection all get their own answer, from every instance", async () => {
    const session = open(origins[kind]);
    await once(session, "remoteSettings");
    const paths = Array.from({ length: 500 }, (_, i) => `/shop/${i}`);
    const most = session.remoteSettings.maxConcurrentStreams ?? 100;
    const ids = new Set<string>();
    for (let i = 0; i < paths.length; i += most) {
      const answers = await Promise.all(paths.slice(i, i + most).map((path) => ask(session, { ":path": path })));
      const seen = answers.map(seenIn);
      expect(seen.map(({ path }) => path)).toEqual(paths.slice(i, i + most));
      for (const { id } of seen) ids.add(id);
    }
    expect([...ids].sort()).toEqual(["a", "b", "c"]);
  });

  test("a slow download does not hold up the other streams of its connection", async () => {
    const session = open(origins[kind]);
    const slow = session.request({ ":path": "/shop/big" });
    await once(slow, "response");
    // Nobody reads it: its window is full.
    slow.pause();
    for (let i = 0; i < 20; i++) expect((await ask(session, { ":path": `/shop/${i}` })).status).toBe(200);
    let bytes = 0;
    for await (const chunk of slow) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(5_000_000);
  });

  test("a stream that the client resets is closed at the instance; the connection and its other streams go on", async () => {
    const session = open(origins[kind]);
    const [gone, kept] = [`/shop/hold-gone-${kind}`, `/shop/hold-kept-${kind}`];
    const streams = [gone, kept].map((path) => session.request({ ":path": path }));
    await Promise.all(streams.map((stream) => once(stream, "data")));
    streams[0]!.close(constants.NGHTTP2_CANCEL);
    await waitFor("the instance to see it", () => held.get(gone) === true, 5000);
    expect(held.get(kept)).toBe(false);
    expect((await ask(session, { ":path": "/shop/after" })).status).toBe(200);
    session.destroy();
    await waitFor("the end of the other", () => held.get(kept) === true, 5000);
  });

  test.each([
    ["1 MB of headers", () => bigHeaders()],
    ["an URL of 100 KB", () => ({ ":path": `/shop/big?q=${"a".repeat(100_000)}` })],
  ])("%s are refused by nginx, and other connections are served", async (_what, headers) => {
    const [session, other] = [open(origins[kind]), open(origins[kind])];
    const goneAway = once(session, "goaway").then(([code]) => `connection error ${code}`);
    const answered = ask(session, headers()).then(({ status }) => `${status}`);
    const outcome = await Promise.race([goneAway, answered.catch(() => goneAway)]);
    // Either the request is answered, or the connection is ended for sending too much.
    expect(["400", "414", "431", `connection error ${constants.NGHTTP2_ENHANCE_YOUR_CALM}`]).toContain(outcome);
    expect((await ask(other, { ":path": "/shop/other" })).status).toBe(200);
  });

  test("a service without instances is answered 503", async () => {
    expect((await ask(open(origins[kind]), { ":path": "/nobody/" })).status).toBe(503);
  });
});

test("a client of TLS that speaks HTTP/1.1 alone is served as well", async () => {
  const request = httpsRequest(`${origins.tls}/shop/old`, { ca: certificate.pem }).end();
  const [response] = await once(request, "response");
  expect(response.statusCode).toBe(200);
  expect(JSON.parse((await response.toArray()).join(""))).toMatchObject({ path: "/shop/old" });
});
