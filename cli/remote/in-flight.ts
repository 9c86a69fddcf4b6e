import { setTimeout as delay } from "node:timers/promises";
import { EXIT, RoutectlError, unreachable } from "../errors.ts";
import { splitUrls } from "./http.ts";
import { fetchRouters, ipconfigAt } from "./ipconfig.ts";
import { fetchService, fetchStatus, type RouterService, routerAt } from "./router.ts";

/** What an instance still has to do, as its routers see it. */
export interface InFlight {
  /** Requests in flight at it by router; streams count. */
  readonly byRouter: ReadonlyMap<string, number>;
  /** Routers that have been asked before, and do not answer now. */
  readonly silent: readonly string[];
}

const NOTHING = "nothing";

/** Workers tell once a second what they have in flight, so nothing is left only when nothing is for longer than that. */
const SETTLE_MS = 1500;
const ASK_AGAIN_MS = 250;
/** A list of ten thousand instances takes a router some time: asking must not be what keeps it busy. */
const REST_PER_ANSWER = 5;
const LONGEST_REST_MS = 2000;

/**
 * Waits until nothing is in flight at a drained instance, in any live router.
 * @param urls of routers and of ipconfigs, separated by commas
 * @param onChange is told what is left, in words, at first and whenever that changes
 * @throws `router-unreachable` (exit 3) when a live router has no URL among those given; `in-flight` (exit 8) when something
 * is left after the time; `not-drained` (exit 8) when the instance may get new requests again
 */
export async function waitUntilIdle(
  urls: { router: string; ipconfig: string },
  service: string,
  id: string,
  timeoutMs: number,
  onChange: (text: string) => void,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  const known = new Map<string, string>();
  let idleSince: number | undefined;
  let told = "";
  while (true) {
    const askedAt = performance.now();
    const left = await readInFlight(urls, service, id, known);
    const text = describeInFlight(left);
    if (text !== told && text !== NOTHING) onChange(text);
    told = text;
    if (text !== NOTHING) idleSince = undefined;
    else if (idleSince !== undefined && askedAt - idleSince >= SETTLE_MS) return;
    else idleSince ??= performance.now();
    if (text !== NOTHING && performance.now() >= deadline) {
      const message = `time is up, and ${id} still has ${text} in flight: wait for longer with --timeout, or see routectl peers ${service} -o wide`;
      throw new RoutectlError("in-flight", EXIT.notConverged, message);
    }
    const restMs = (performance.now() - askedAt) * REST_PER_ANSWER;
    await delay(Math.min(Math.max(ASK_AGAIN_MS, restMs), LONGEST_REST_MS));
  }
}

async function readInFlight(
  urls: { router: string; ipconfig: string },
  service: string,
  id: string,
  known: Map<string, string>,
): Promise<InFlight> {
  const [live, answers] = await Promise.all([
    liveRouters(urls.ipconfig, known),
    Promise.all(splitUrls(routerAt(urls.router)).map((url) => askRouter(url, service, known))),
  ]);
  const byRouter = new Map<string, number>();
  const peers: RouterService["peers"][number][] = [];
  for (const answer of answers) {
    if (answer === undefined) continue;
    const peer = answer.peers.find((one) => one.id === id);
    byRouter.set(answer.node, peer?.inFlight ?? 0);
    if (peer !== undefined) peers.push(peer);
  }
  const silent = live.filter((node) => !byRouter.has(node));
  const heardOf = new Set(known.values());
  const never = silent.filter((node) => !heardOf.has(node));
  if (never.length > 0) {
    const message = `router ${never.join(", ")} can't be asked what ${id} has in flight: name the admin API of every router with --router URL,URL`;
    throw unreachable("router-unreachable", message);
  }
  if (byRouter.size > 0 && peers.every(({ override }) => override?.weight !== 0)) {
    const what =
      peers.length === 0
        ? `${id} has left ${service}, so what it has in flight can't be seen`
        : `${id} is not drained any more, so it may get new requests`;
    throw new RoutectlError("not-drained", EXIT.notConverged, `${what}: see routectl history ${service}`);
  }
  return { byRouter, silent };
}

/** The names of the routers that take part; when no ipconfig answers, those that have answered before. */
async function liveRouters(ipconfigUrls: string, known: ReadonlyMap<string, string>): Promise<string[]> {
  try {
    return (await fetchRouters(ipconfigAt(ipconfigUrls))).routers.map(({ node }) => node);
  } catch (error) {
    if (known.size === 0) throw error;
    return [...new Set(known.values())];
  }
}

/** @returns undefined when it does not answer */
async function askRouter(
  url: string,
  service: string,
  known: Map<string, string>,
): Promise<{ node: string; peers: RouterService["peers"] } | undefined> {
  const remote = routerAt(url);
  try {
    const node = known.get(url) ?? (await fetchStatus(remote)).node;
    known.set(url, node);
    return { node, peers: (await fetchService(remote, service)).peers };
  } catch (error) {
    if (!(error instanceof RoutectlError) || error.code === "wrong-part") throw error;
    const node = known.get(url);
    // It has no such service: then it sends nobody there.
    return error.code === "not-found" && node !== undefined ? { node, peers: [] } : undefined;
  }
}

/** `nothing`, `1 request`, `7 requests (edge-1: 5, edge-2: 2)`, `1 request, and what edge-2 has (no answer)`. */
export function describeInFlight({ byRouter, silent }: InFlight): string {
  const busy = [...byRouter].filter(([, count]) => count > 0);
  const sum = busy.reduce((total, [, count]) => total + count, 0);
  const unknown = silent.length === 0 ? "" : `what ${silent.join(", ")} has (no answer)`;
  if (sum === 0) return unknown === "" ? NOTHING : unknown;
  const where = byRouter.size > 1 ? ` (${busy.map(([node, count]) => `${node}: ${count}`).join(", ")})` : "";
  return `${sum} ${sum === 1 ? "request" : "requests"}${where}${unknown === "" ? "" : `, and ${unknown}`}`;
}
