import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Policy } from "../../lua/core/types.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { peer, serviceList } from "../support/scripted-ipconfig.ts";
import {
  forEach,
  openUserSocket,
  type SocketInstance,
  startSocketInstance,
  type UserSocket,
} from "../support/socket-users.ts";
import { waitFor } from "../support/wait.ts";

/** Ten thousand users with a WebSocket each, which stay where they are while instances come and go. */
const AT_A_TIME = 100;
const SAMPLE = 1000;
const POLICY: Policy = { algorithm: "consistent-hash", hashOn: "header:x-user-id" };

let instances: SocketInstance[];
let router: LiveRouter;
let users: string[];
let sockets: UserSocket[];
const opened: UserSocket[] = [];

/** As many users as this process may have open files for. */
async function possibleUsers(): Promise<number> {
  const limits = await readFile("/proc/self/limits", "utf8");
  const [, files] = /^Max open files\s+(\d+)/m.exec(limits) ?? [];
  return Math.min(10_000, Math.floor((Number(files) - 2000) / 1.5));
}

const listOf = (members: readonly SocketInstance[], policy = POLICY) =>
  serviceList(
    members.map(({ id, port }) => peer(id, { port })),
    { policy },
  );

/** The same instances, for users who are named in the query. */
const room = () => ({ room: listOf(instances, { algorithm: "consistent-hash", hashOn: "query:user" }) });

beforeAll(async () => {
  instances = await Promise.all(["a", "b", "c", "d", "e", "f"].map(startSocketInstance));
  router = await startLiveRouter({ chat: listOf(instances.slice(0, 5)), ...room() });
  users = Array.from({ length: await possibleUsers() }, (_, index) => `user-${index}`);
});
afterAll(async () => {
  for (const socket of opened) socket.close();
  await router?.close();
  for (const instance of instances ?? []) await instance.kill();
});

async function open(user: string): Promise<UserSocket> {
  const socket = await openUserSocket(router.url, "/chat/", user);
  opened.push(socket);
  return socket;
}

/** Where the router says that a user belongs. */
async function explained(user: string, service = "chat"): Promise<string> {
  return (await router.read<{ peer: string }>(`/v1/services/${service}/explain?key=${user}`)).peer;
}

/** Fails when a socket has moved or is broken. */
async function expectUnmoved(of: readonly UserSocket[]): Promise<void> {
  const echoes = await forEach(of, AT_A_TIME, (socket) => socket.echo(socket.user));
  expect(echoes).toEqual(of.map(({ instance, user }) => `${instance} ${user}`));
}

/** An instance's sockets, as a multiple of a fair part of them. */
function loadOf(of: readonly UserSocket[], id: string, members: number): number {
  return (of.filter(({ instance }) => instance === id).length * members) / of.length;
}

const mostLoad = (of: readonly UserSocket[], members: number): number =>
  Math.max(...instances.map(({ id }) => loadOf(of, id, members)));

test("10,000 users over five instances: none has more than 1.25 times its part", async () => {
  sockets = await forEach(users, AT_A_TIME, open);
  expect(mostLoad(sockets, 5)).toBeLessThan(1.25);
  await expectUnmoved(sockets);
});

test("users who are named in the query: each has one place, which explain knows", async () => {
  const some = users.slice(0, 100);
  const twice = await forEach([...some, ...some], 20, async (user) => {
    const socket = await openUserSocket(router.url, `/room/?a=1&user=${user}`, "nobody");
    opened.push(socket);
    return socket.instance;
  });
  const told = await forEach(some, 8, (user) => explained(user, "room"));
  expect(twice).toEqual([...told, ...told]);
  expect(new Set(told).size).toBe(6);
});

test("a sixth instance: no open socket moves or breaks, and new ones go where explain says", async () => {
  const step = Math.ceil(users.length / SAMPLE);
  const some = users.filter((_, index) => index % step === 0);
  const before = await forEach(some, 8, (user) => explained(user));
  await router.publish({ chat: listOf(instances), ...room() });
  await expectUnmoved(sockets);
  const told = await forEach(some, 8, (user) => explained(user));
  const again = await forEach(some, AT_A_TIME, open);
  // The old sockets are no fair load for six: whose part of them is above average may be full, in a worker by chance.
  const nearlyFull = (id: string): boolean => loadOf(sockets, id, 6) > 1.25 * 0.92;
  const elsewhere = again.filter(({ instance }, index) => instance !== told[index]);
  expect(elsewhere.length / again.length).toBeLessThan(0.1);
  expect(again.filter(({ instance }, index) => instance !== told[index] && !nearlyFull(told[index]!))).toEqual([]);
  // Whoever has another place now, has it at the new instance.
  const moved = told.filter((id, index) => id !== before[index]);
  expect(new Set(moved)).toEqual(new Set(["f"]));
  expect(moved.length / told.length).toBeLessThan(1.25 / 6);
  for (const socket of again) socket.close();
});

test("an instance that is killed: its users reconnect elsewhere, and nobody else notices", async () => {
  const lost = sockets.filter(({ instance }) => instance === "b");
  const others = sockets.filter(({ instance }) => instance !== "b");
  await instances[1]!.kill();
  await waitFor("its users to notice", () => lost.every((socket) => !socket.isOpen()));
  const back = await forEach(lost, AT_A_TIME, ({ user }) => open(user));
  expect(new Set(back.map(({ instance }) => instance))).toEqual(new Set(["a", "c", "d", "e", "f"]));
  await expectUnmoved(others);
  await expectUnmoved(back);
  expect(mostLoad([...others, ...back], 5)).toBeLessThan(1.25);
  sockets = [...others, ...back];
});
