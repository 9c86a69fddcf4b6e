import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { inject } from "vitest";
import { freePort } from "../../../cli/stack/ports.ts";
import { ROOT } from "../../support/root.ts";
import { expectNoScriptErrors } from "../../support/script-errors.ts";
import { waitFor } from "../../support/wait.ts";
import { must, type Run, run } from "./command.ts";
import { composeCommand } from "./engine.ts";
import { PROMETHEUS, TAG, TOOLS } from "./images.ts";
import { inTurn } from "./turns.ts";
import { readRouter } from "./watch.ts";

/** The whole system in containers, under a name and on ports of its own. */
export interface System {
  readonly routers: readonly RouterAt[];
  /** Where Prometheus is, with its profile. */
  readonly prometheus: string;
  /** From `compose up` until both routers route to all instances. */
  startMs(): number;
  /** Any docker command; fails the test when it fails. */
  docker(...args: string[]): Promise<string>;
  /** The same with the container of a service as last argument: `on("etcd-1", "kill")`. */
  on(service: string, ...args: string[]): Promise<string>;
  /** Freezes all of a container. */
  pause(service: string): Promise<void>;
  /** Runs a program in the container of a service. */
  exec(service: string, command: readonly string[]): Promise<Run>;
  /** `docker exec … routectl …`, as an operator types it. */
  routectl(...args: string[]): Promise<Run>;
  /** As `routectl`; fails the test when the command fails. */
  must(...args: string[]): Promise<string>;
  /** What `routectl … -o json` prints. */
  json<T>(...args: string[]): Promise<T>;
  compose(...args: string[]): Promise<string>;
  /** The id of a service's container. */
  idOf(service: string): Promise<string>;
  /** Changes the rules of a container's own network: `iptables -A OUTPUT -p tcp --dport 9146 -j DROP`. */
  iptables(service: string, ...rules: readonly string[]): Promise<void>;
  /** Tells the helper what to be: `ipconfig?mode=garbage`, `instance?status=500`. */
  helper(order: string): Promise<void>;
  /** Waits until both routers route by a fresh list to so many healthy instances. */
  settled(instances?: number): Promise<void>;
  /** Removes everything. */
  close(): Promise<void>;
}

export interface RouterAt {
  readonly name: "router-1" | "router-2";
  readonly url: string;
  readonly admin: string;
}

export const INSTANCES = 5;
const SETTLE_TIMEOUT_MS = 60_000;

/**
 * @param name of the test file
 * @param settings of compose.yaml, in addition to its ports
 */
export async function startSystem(name: string, settings: Readonly<Record<string, string>> = {}): Promise<System> {
  const { env: engine } = inject("docker");
  const project = `routectl-${TAG}-${name}`;
  const ports = await Promise.all(Array.from({ length: 6 }, () => freePort()));
  const [router1, admin1, router2, admin2, helper, prometheus] = ports as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const env = {
    ...engine,
    ROUTECTL_TAG: TAG,
    ROUTECTL_DEBUG_HEADERS: "on",
    ROUTER_1_PORT: `${router1}`,
    ROUTER_1_ADMIN_PORT: `${admin1}`,
    ROUTER_2_PORT: `${router2}`,
    ROUTER_2_ADMIN_PORT: `${admin2}`,
    PROMETHEUS_IMAGE: PROMETHEUS,
    PROMETHEUS_PORT: `${prometheus}`,
    HEALTHCHECK_INTERVAL: "2m",
    HELPER_PORT: `${helper}`,
    HELPER_FILE: join(ROOT, "test/docker/helper.mjs"),
    ...settings,
  };
  const command = await composeCommand();
  if (command === undefined) throw new Error("neither docker compose nor docker-compose is there");
  const [file, ...first] = command;
  const files = ["docker/compose.yaml", "test/docker/compose.test.yaml"].flatMap((path) => ["-f", join(ROOT, path)]);
  const composeArgs = [...first, "-p", project, ...files];
  const compose = (...args: string[]): Promise<string> =>
    must(file, [...composeArgs, ...args], { env, timeoutMs: 180_000 });
  const docker = (...args: string[]): Promise<string> => must("docker", args, { env });
  const ids = new Map<string, string>();
  const idOf = async (service: string): Promise<string> => {
    const known = ids.get(service);
    if (known !== undefined) return known;
    const labels = [`com.docker.compose.project=${project}`, `com.docker.compose.service=${service}`];
    const id = await docker("ps", "-aq", ...labels.flatMap((label) => ["--filter", `label=${label}`]));
    if (id === "") throw new Error(`${service} has no container`);
    ids.set(service, id);
    return id;
  };
  const exec: System["exec"] = async (service, command) =>
    run("docker", ["exec", await idOf(service), ...command], { env });
  const routectl = (...args: string[]): Promise<Run> => exec("routectl", ["routectl", ...args]);
  const mustRoutectl = async (...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await routectl(...args);
    if (status !== 0) throw new Error(`routectl ${args.join(" ")} exited with ${status}: ${stderr}`);
    return stdout;
  };
  const routers: RouterAt[] = [
    { name: "router-1", url: `http://127.0.0.1:${router1}`, admin: `http://127.0.0.1:${admin1}` },
    { name: "router-2", url: `http://127.0.0.1:${router2}`, admin: `http://127.0.0.1:${admin2}` },
  ];
  const close = async (): Promise<void> => {
    // What is paused can't be stopped.
    const paused = await docker(
      "ps",
      "-q",
      "--filter",
      `label=com.docker.compose.project=${project}`,
      "--filter",
      "status=paused",
    );
    if (paused !== "") await docker("unpause", ...paused.split("\n"));
    const log = await compose("logs", "--no-color", "router-1", "router-2").catch(() => "");
    await compose("--profile", "late", "--profile", "prometheus", "down", "-v", "-t", "1", "--remove-orphans");
    expectNoScriptErrors(log);
  };
  let startedAt = 0;
  let settledAt = 0;
  const system: System = {
    routers,
    prometheus: `http://127.0.0.1:${prometheus}`,
    startMs: () => settledAt - startedAt,
    docker,
    on: async (service, ...args) => docker(...args, await idOf(service)),
    pause: async (service) => {
      // runc gives up freezing while processes come and go in the container, as health checks do.
      await waitFor(`${service} to be paused`, async () => {
        return (await run("docker", ["pause", await idOf(service)], { env })).status === 0;
      });
    },
    exec,
    routectl,
    must: mustRoutectl,
    json: async <T>(...args: string[]) => JSON.parse(await mustRoutectl(...args, "-o", "json")) as T,
    compose,
    idOf,
    iptables: async (service, ...rules) => {
      const script = rules.map((rule) => `iptables ${rule}`).join(" && ");
      const where = ["--network", `container:${await idOf(service)}`, "--cap-add", "NET_ADMIN"];
      await docker("run", "--rm", ...where, TOOLS, "sh", "-c", script);
    },
    helper: async (order) => {
      const { ok } = await fetch(`http://127.0.0.1:${helper}/${order}`, { method: "POST" });
      if (!ok) throw new Error(`the helper refused ${order}`);
    },
    settled: async (instances = INSTANCES) => {
      for (const router of routers) {
        await waitFor(
          `${router.name} to route to ${instances} instances by a fresh list`,
          async () => {
            // An instance that was ejected comes back by a request that it answers.
            await Promise.allSettled(Array.from({ length: 20 }, () => fetch(`${router.url}/demo/`)));
            const sample = await readRouter(router);
            if (sample === undefined || sample.mode === "fallback") return false;
            return Object.values(sample.states).filter((state) => state === "up").length === instances;
          },
          SETTLE_TIMEOUT_MS,
        );
      }
    },
    close,
  };
  try {
    await inTurn(async () => {
      await close();
      startedAt = performance.now();
      await compose("up", "-d", "--no-build");
      await system.settled();
      settledAt = performance.now();
    });
    return system;
  } catch (error) {
    const logs = await compose("logs", "--tail", "10").catch(String);
    await close();
    throw new Error(`the system does not start: ${(error as Error).message}\n${logs}`);
  }
}

/** One line for a row of the fault matrix, printed at the end of the run. */
export async function figure(row: string, text: string): Promise<void> {
  await appendFile(inject("docker").figuresFile, `${row.padEnd(44)} | ${text}\n`);
}
