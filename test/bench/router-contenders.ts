import { existsSync } from "node:fs";
import { join } from "node:path";
import { findNginx } from "../../cli/stack/binaries.ts";
import { freePort } from "../../cli/stack/ports.ts";
import { ALGORITHMS, type Policy } from "../../lua/core/types.ts";
import { startRouter } from "../support/router.ts";
import { peer, type ScriptedIpconfig, serviceList, snapshot } from "../support/scripted-ipconfig.ts";
import { childrenOf } from "../support/stack.ts";
import { haproxyConfiguration, PATH, proxyConfiguration, serversOf } from "./router-configurations.ts";
import { startBenchProcess, untilServing } from "./router-process.ts";

/** A proxy in front of the instances. */
export interface Contender {
  readonly name: string;
  readonly url: string;
  /** The one process that handles its requests. */
  readonly worker: number;
  stop(): Promise<void>;
}

export const NATIVE = "nginx round robin";

/** What the contenders need: a directory of their own each is made below `directory`. */
export interface Surroundings {
  readonly directory: string;
  readonly instances: readonly number[];
  readonly ipconfig: ScriptedIpconfig;
}

/** Every contender as a start, in the order of the table. Each of our algorithms has a router of its own, as a pick has a process. */
export function contenders(surroundings: Surroundings): (() => Promise<Contender>)[] {
  const { instances } = surroundings;
  const constantPeer = `    server 0.0.0.1 down;
    balancer_by_lua_block { require("ngx.balancer").set_current_peer("127.0.0.1", ${instances[0]}) }`;
  return [
    () => roundRobin(surroundings),
    () => leastConn(surroundings),
    () => haproxy(surroundings, "roundrobin"),
    () => haproxy(surroundings, "leastconn"),
    () => nginx(surroundings, "a constant peer from Lua", constantPeer),
    ...ALGORITHMS.map((algorithm) => () => router(surroundings, algorithm)),
  ];
}

/** The contenders that balance by load, ours first, and one that does not. */
export function besideASlowOne(surroundings: Surroundings): (() => Promise<Contender>)[] {
  return [
    () => router(surroundings, "adaptive"),
    () => leastConn(surroundings),
    () => haproxy(surroundings, "leastconn"),
    () => roundRobin(surroundings),
  ];
}

function roundRobin(surroundings: Surroundings): Promise<Contender> {
  return nginx(surroundings, NATIVE, serversOf(surroundings.instances));
}

function leastConn(surroundings: Surroundings): Promise<Contender> {
  return nginx(surroundings, "nginx least_conn", `    least_conn;\n${serversOf(surroundings.instances)}`);
}

async function nginx({ directory }: Surroundings, name: string, upstream: string): Promise<Contender> {
  const binary = findNginx();
  const port = await freePort();
  const own = join(directory, name.replaceAll(" ", "-"));
  const url = `http://127.0.0.1:${port}${PATH}`;
  const process = await startBenchProcess({
    name,
    command: binary.path,
    configuration: await proxyConfiguration(binary, port, upstream),
    args: (file) => ["-p", own, "-c", file, "-g", "daemon off;"],
    directory: own,
    url,
  });
  return { name, url, worker: await onlyChild(process.pid), stop: process.stop };
}

async function haproxy({ directory, instances }: Surroundings, balance: string): Promise<Contender> {
  const name = `haproxy ${balance}`;
  const port = await freePort();
  const url = `http://127.0.0.1:${port}${PATH}`;
  const process = await startBenchProcess({
    name,
    command: existsSync("/usr/sbin/haproxy") ? "/usr/sbin/haproxy" : "haproxy",
    configuration: haproxyConfiguration(port, balance, instances),
    args: (file) => ["-db", "-f", file],
    directory: join(directory, `haproxy-${balance}`),
    url,
  });
  return { name, url, worker: process.pid, stop: process.stop };
}

async function router({ ipconfig }: Surroundings, algorithm: Policy["algorithm"]): Promise<Contender> {
  const location = `location ^~ ${PATH} { set $routectl_service ${algorithm}; include routectl/proxy.conf; proxy_pass http://routectl; }`;
  const started = await startRouter({ ipconfig: ipconfig.url, workers: 1, locations: location });
  const name = `routectl ${algorithm}`;
  const url = `${started.url}${PATH}`;
  await untilServing(name, url);
  return { name, url, worker: await onlyChild(started.pid), stop: started.close };
}

/** A list of the same instances for each algorithm, told to every router that asks; one that has it is held until it asks again. */
export function publishLists(ipconfig: ScriptedIpconfig, instances: readonly number[]): void {
  const peers = instances.map((port, index) => peer(`i-${index}`, { port }));
  const hashOn = { hashOn: "header:x-user-id" };
  const lists = ALGORITHMS.map((algorithm) => {
    const policy: Policy = { algorithm, ...(algorithm === "consistent-hash" ? hashOn : {}) };
    return [algorithm, serviceList(peers, { policy })] as const;
  });
  const body = JSON.stringify(snapshot(1, Object.fromEntries(lists)));
  ipconfig.answerWith((response, query) => {
    if (query.get("revision") !== "1") {
      response.writeHead(200, { "content-type": "application/json" }).end(body);
      return;
    }
    const timer = setTimeout(() => response.writeHead(304).end(), Number(query.get("waitMs") ?? 0));
    response.on("close", () => clearTimeout(timer));
  });
}

async function onlyChild(pid: number): Promise<number> {
  const children = await childrenOf(pid);
  if (children.length !== 1) throw new Error(`one worker was asked for, and there are ${children.length}`);
  return children[0]!;
}
