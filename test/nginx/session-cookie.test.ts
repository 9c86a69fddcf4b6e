import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Peer, Policy } from "../../lua/core/types.ts";
import { answer, type HttpInstance, peersOf, startHttpInstances } from "../support/http-instance.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { serviceList } from "../support/scripted-ipconfig.ts";
import { waitFor } from "../support/wait.ts";

/** A cookie that the router signs pins a session to an instance. */
const POLICY: Policy = {
  algorithm: "weighted-random",
  sticky: { cookie: "session" },
  ejection: { baseMs: 60_000, maxMs: 60_000 },
};

let directory: string;
let instances: HttpInstance[];
let router: LiveRouter;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "routectl-secret-"));
  const file = join(directory, "secret");
  await writeFile(file, "a secret of some 32 bytes, in all\n", { mode: 0o600 });
  instances = await startHttpInstances(5);
  router = await startLiveRouter(listsOf(instances.slice(0, 3)), { init: `stickySecretFile = "${file}"` });
});
afterEach(async () => {
  await router?.close();
  for (const instance of instances) await instance.kill();
  await rm(directory, { recursive: true, force: true });
});

function listsOf(members: readonly HttpInstance[], change: (peer: Peer) => Peer = (peer) => peer) {
  const list = serviceList(peersOf(members).map(change), { policy: POLICY });
  return { shop: list, blog: list };
}

interface Reply {
  readonly status: number;
  readonly instance: string;
  readonly cookies: readonly string[];
}

async function ask(cookie = "", path = "/shop/"): Promise<Reply> {
  const response = await fetch(`${router.url}${path}`, { headers: cookie === "" ? {} : { cookie } });
  const text = await response.text();
  const { instance } = response.status === 200 ? (JSON.parse(text) as { instance: string }) : { instance: "" };
  return { status: response.status, instance, cookies: response.headers.getSetCookie() };
}

/** What a browser sends back. */
const pairOf = (setCookie: string | undefined): string => setCookie?.split(";")[0] ?? "";

/** Opens sessions until there is one at an instance. @returns its cookie */
async function sessionAt(id: string): Promise<string> {
  for (let i = 0; i < 200; i++) {
    const { instance, cookies } = await ask();
    if (instance === id) return pairOf(cookies[0]);
  }
  throw new Error(`no session at ${id}`);
}

async function expectPinned(cookie: string, id: string): Promise<void> {
  for (let i = 0; i < 20; i++) {
    const reply = await ask(`other=1; ${cookie}; more=2`);
    expect(reply).toEqual({ status: 200, instance: id, cookies: [] });
  }
}

test("a session stays where it began, when instances are added, and while its own one is drained", async () => {
  const cookie = await sessionAt("b");
  expect((await ask()).cookies[0]).toMatch(/^session=[a-e]\.[\w-]{20,}; Path=\/; HttpOnly; SameSite=Lax$/);
  await expectPinned(cookie, "b");

  await router.publish(listsOf(instances));
  await expectPinned(cookie, "b");

  const override = { weight: 0, by: "tester", reason: "a test", at: Date.now() };
  await router.publish(listsOf(instances, (peer) => (peer.id === "b" ? { ...peer, weight: 0, override } : peer)));
  await expectPinned(cookie, "b");
  for (let i = 0; i < 50; i++) expect((await ask()).instance).not.toBe("b");

  // Its own status says that it is down: nobody is served there any more.
  await router.publish(listsOf(instances, (peer) => (peer.id === "b" ? { ...peer, weight: 0, score: 0 } : peer)));
  const moved = await ask(cookie);
  expect(moved.instance).not.toBe("b");
  await expectPinned(pairOf(moved.cookies[0]), moved.instance);
});

test("a forged cookie, or another service's, selects nothing and is replaced", async () => {
  const real = await sessionAt("a");
  const [, signature = ""] = /^session=a\.(.*)$/.exec(real) ?? [];
  const blog = await fetch(`${router.url}/blog/`).then((response) => pairOf(response.headers.getSetCookie()[0]));
  const forged = [
    `session=b.${signature}`,
    `session=a.${signature.slice(0, -1)}${signature.endsWith("A") ? "B" : "A"}`,
    "session=a.",
    "session=a",
    "session=.",
    "session=../../a.x",
    blog,
  ];
  for (const cookie of forged) {
    const seen = new Set<string>();
    for (let i = 0; i < 60 && seen.size < 3; i++) {
      const { status, instance, cookies } = await ask(cookie);
      expect(status).toBe(200);
      expect(cookies).toHaveLength(1);
      expect(pairOf(cookies[0])).not.toBe(cookie);
      await expect(ask(pairOf(cookies[0]))).resolves.toMatchObject({ instance, cookies: [] });
      seen.add(instance);
    }
    expect([...seen].sort()).toEqual(["a", "b", "c"]);
  }
});

test("when its instance has died a session goes on elsewhere without a failure, and stays there", async () => {
  let cookie = await sessionAt("c");
  await instances[2]!.kill();
  let last = "";
  for (let i = 0; i < 40; i++) {
    const { status, instance, cookies } = await ask(cookie);
    expect(status).toBe(200);
    if (cookies.length > 0) cookie = pairOf(cookies[0]);
    last = instance;
  }
  expect(cookie).toMatch(/^session=[ab]\./);
  await expectPinned(cookie, last);
});

const override = { weight: 0, by: "tester", reason: "a test", at: 0 };

test("a drained instance that has died serves its sessions no more: they move, once", async () => {
  const cookie = await sessionAt("b");
  const drained = (peer: Peer): Peer => (peer.id === "b" ? { ...peer, weight: 0, override } : peer);
  await router.publish(listsOf(instances.slice(0, 3), drained));
  await expectPinned(cookie, "b");
  await instances[1]!.kill();
  await waitFor("the session to move", async () => {
    const { status, instance, cookies } = await ask(cookie);
    expect([status, ["a", "c"].includes(instance)]).toEqual([200, true]);
    return cookies.length > 0 && pairOf(cookies[0]).startsWith(`session=${instance}.`);
  });
});

test("with every instance drained sessions go on, and others are told that nobody takes them", async () => {
  const cookie = await sessionAt("b");
  await router.publish(listsOf(instances.slice(0, 3), (peer) => ({ ...peer, weight: 0, override })));
  await expectPinned(cookie, "b");
  for (const other of ["", `${cookie.slice(0, -1)}_`]) {
    expect(await ask(other)).toEqual({ status: 503, instance: "", cookies: [] });
  }
});

test("the request that tries an ejected instance begins a session there", async () => {
  const quick: Policy = { ...POLICY, ejection: { consecutiveFailures: 1, baseMs: 100, maxMs: 100 } };
  const list = serviceList(peersOf(instances.slice(0, 3)), { policy: quick });
  await router.publish({ shop: list });
  const [first] = instances;
  for (let round = 0; round < 5; round++) {
    first!.behave((_request, response) => response.writeHead(500).end());
    await waitFor("its ejection", async () => {
      await ask();
      const { peers } = await router.read<{ peers: { id: string; state: string }[] }>("/v1/services/shop");
      return peers.some(({ id, state }) => id === "a" && state === "ejected");
    });
    first!.behave(answer("a"));
    await waitFor("its trial", async () => {
      const { instance, cookies } = await ask();
      expect(pairOf(cookies[0])).toContain(`=${instance}.`);
      return instance === "a";
    });
  }
});

test("an instance's own cookies get through next to the router's", async () => {
  for (const { id, behave } of instances) {
    const whole = answer(id);
    behave((request, response, body) => {
      response.setHeader("set-cookie", ["cart=3; Path=/", "lang=de"]);
      whole(request, response, body);
    });
  }
  const { instance, cookies } = await ask();
  expect(cookies).toHaveLength(3);
  expect(cookies).toEqual(expect.arrayContaining(["cart=3; Path=/", "lang=de"]));
  const session = cookies.find((cookie) => cookie.startsWith("session="));
  expect((await ask(pairOf(session))).cookies).toEqual(["cart=3; Path=/", "lang=de"]);
  expect(pairOf(session)).toContain(`=${instance}.`);
});

test("a router without a secret pins nobody and sets no cookie", async () => {
  const cookie = await sessionAt("a");
  const plain = await startLiveRouter(listsOf(instances.slice(0, 3)));
  try {
    await waitFor("all instances", async () => {
      const seen = new Set<string>();
      for (let i = 0; i < 30; i++) {
        const response = await fetch(`${plain.url}/shop/`, { headers: { cookie } });
        expect(response.headers.getSetCookie()).toEqual([]);
        seen.add(((await response.json()) as { instance: string }).instance);
      }
      return seen.size === 3;
    });
  } finally {
    await plain.close();
  }
});
