import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { must, run } from "./command.ts";

/** A container engine that answers. */
export interface Engine {
  /** What its clients need in their environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Ends it, where the tests have started it. */
  stop(): Promise<void>;
}

/** Of the engine that the tests start: beside one that the machine may get later. Its images stay for the next run. */
const RUN_DIRECTORY = "/run/routectl-docker";
const DATA_DIRECTORY = "/var/lib/routectl-docker";
const SOCKET = `unix://${RUN_DIRECTORY}/docker.sock`;
const LOG = `${RUN_DIRECTORY}/dockerd.log`;
const PACKAGES = ["docker.io", "docker-compose", "debootstrap", "iptables"];
const START_TIMEOUT_MS = 30_000;

/**
 * The engine that answers; else one that is installed and started here, on Debian and as root.
 * @returns the engine, or why there is none
 */
export async function provideEngine(): Promise<Engine | string> {
  if (await answers({})) {
    if (await hasCompose()) return { env: {}, stop: async () => undefined };
    return "docker answers, but there is neither docker compose nor docker-compose";
  }
  if (!existsSync("/etc/debian_version")) return "no container engine answers, and this is not Debian";
  if (process.getuid?.() !== 0) return "no container engine answers, and only root can start one";
  const problem = await installPackages();
  if (problem !== undefined) return problem;
  const env = { DOCKER_HOST: SOCKET };
  // One that an interrupted run has left is ours as well.
  if (!(await answers(env))) {
    const failure = await startDaemon(env);
    if (failure !== undefined) return failure;
  }
  return { env, stop: stopDaemon };
}

async function answers(env: Readonly<Record<string, string>>): Promise<boolean> {
  return (await run("docker", ["version", "--format", "{{.Server.Version}}"], { env, timeoutMs: 10_000 })).status === 0;
}

async function hasCompose(): Promise<boolean> {
  return (await composeCommand()) !== undefined;
}

/** `docker compose`, or the docker-compose that came before it. */
export async function composeCommand(): Promise<readonly [string, ...string[]] | undefined> {
  if ((await run("docker", ["compose", "version"])).status === 0) return ["docker", "compose"];
  if ((await run("docker-compose", ["version"])).status === 0) return ["docker-compose"];
  return undefined;
}

async function installPackages(): Promise<string | undefined> {
  const programs = ["/usr/sbin/dockerd", "/usr/bin/docker-compose", "/usr/sbin/debootstrap", "/usr/sbin/iptables"];
  if (programs.every((file) => existsSync(file))) return undefined;
  // Debian starts a service when it installs it, unless this file says no; one that is there already is left as it is.
  const policy = "/usr/sbin/policy-rc.d";
  const ours = !existsSync(policy);
  if (ours) await writeFile(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update", "-q"], { env, timeoutMs: 120_000 });
    const install = ["install", "-y", "-q", "--no-install-recommends", ...PACKAGES];
    const { status, stderr } = await run("apt-get", install, { env, timeoutMs: 300_000 });
    if (status !== 0) return `no container engine answers, and none could be installed: ${stderr.trim().slice(-300)}`;
    return undefined;
  } finally {
    if (ours) await rm(policy, { force: true });
  }
}

async function startDaemon(env: Readonly<Record<string, string>>): Promise<string | undefined> {
  mkdirSync(RUN_DIRECTORY, { recursive: true });
  const log = openSync(LOG, "w");
  const args = ["--data-root", DATA_DIRECTORY, "--exec-root", `${RUN_DIRECTORY}/exec`];
  const files = ["--pidfile", `${RUN_DIRECTORY}/pid`, "--host", SOCKET];
  const daemon = spawn("dockerd", [...args, ...files], { detached: true, stdio: ["ignore", log, log] });
  daemon.unref();
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    if (await answers(env)) return undefined;
    if (daemon.exitCode !== null) break;
    await delay(200);
  }
  return `dockerd does not start: ${readFileSync(LOG, "utf8").trim().split("\n").slice(-3).join(" | ")}`;
}

async function stopDaemon(): Promise<void> {
  // The tests of another directory may be using it.
  if ((await must("docker", ["ps", "-q"], { env: { DOCKER_HOST: SOCKET } })) !== "") return;
  const pid = Number(readFileSync(`${RUN_DIRECTORY}/pid`, "utf8"));
  process.kill(pid, "SIGTERM");
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (existsSync(`/proc/${pid}`) && performance.now() < deadline) await delay(100);
  // dockerd leaves this mounted.
  await run("umount", [`${RUN_DIRECTORY}/exec/netns/default`]);
  await must("rm", ["-rf", RUN_DIRECTORY]);
}
