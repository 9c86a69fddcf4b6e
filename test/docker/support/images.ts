import { createHash } from "node:crypto";
import { copyFile, cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ROOT } from "../../support/root.ts";
import { must, type RunOptions, run } from "./command.ts";

const DEBIAN = "debian:bookworm-slim";
const NODE = "node:22-bookworm-slim";
const NODE_HERE = "routectl-test/node";
/** Has iptables, for faults inside a container's network. */
export const TOOLS = "routectl-test/tools";
/** Of the images and systems of this directory, so that the tests of another one may run at the same time. */
export const TAG = `test-${createHash("sha256").update(ROOT).digest("hex").slice(0, 8)}`;
/** Debian's, since there may be no registry. */
export const PROMETHEUS = "routectl-test/prometheus";
/** routectl in a container whose clock is an hour ahead. */
const LATE = `routectl-test/late:${TAG}`;

const BUILD_TIMEOUT_MS = 600_000;

/** Builds the images as a user does; what they are based on comes from a registry, or else is made on this machine. */
export async function buildImages(env: Readonly<Record<string, string>>): Promise<void> {
  const options: RunOptions = { env, cwd: ROOT, timeoutMs: BUILD_TIMEOUT_MS };
  if (!(await isThere(DEBIAN, env))) await bootstrapDebian(env);
  const node = (await isThere(NODE, env)) ? NODE : await nodeFromHere(env);
  const build = (file: string, tag: string, ...args: string[]): Promise<string> =>
    must("docker", ["build", "-q", "--network=host", "-f", file, "-t", tag, ...args, "."], options);
  await build("docker/etcd.Dockerfile", `routectl-etcd:${TAG}`);
  await build("docker/routectl.Dockerfile", `routectl:${TAG}`, "--build-arg", `NODE_IMAGE=${node}`);
  await build("docker/router.Dockerfile", `routectl-router:${TAG}`, "--build-arg", `NODE_IMAGE=${node}`);
  await buildFrom(TOOLS, DEBIAN, "iptables", [], env);
  await buildFrom(PROMETHEUS, DEBIAN, "prometheus", PROMETHEUS_LINES, env);
  await buildFrom(LATE, `routectl:${TAG}`, "libfaketime", LATE_LINES, env);
}

const PROMETHEUS_LINES = ["RUN install -d -o nobody /prometheus", "USER nobody", 'ENTRYPOINT ["prometheus"]'];

/** The monotonic clock is left alone, as it is where only the time of day is wrong. */
const LATE_LINES = [
  "RUN ln -s /usr/lib/*/faketime/libfaketime.so.1 /usr/local/lib/libfaketime.so",
  "ENV LD_PRELOAD=/usr/local/lib/libfaketime.so FAKETIME=+1h FAKETIME_DONT_FAKE_MONOTONIC=1",
  "USER 10001",
];

async function isThere(image: string, env: Readonly<Record<string, string>>): Promise<boolean> {
  if ((await run("docker", ["image", "inspect", image], { env })).status === 0) return true;
  return (await run("docker", ["pull", "-q", image], { env, timeoutMs: 120_000 })).status === 0;
}

async function buildFrom(
  tag: string,
  base: string,
  packages: string,
  lines: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<void> {
  await inDirectory(async (directory) => {
    const install = `RUN apt-get update && apt-get install -y --no-install-recommends ${packages}`;
    await writeFile(join(directory, "Dockerfile"), [`FROM ${base}`, "USER 0", install, ...lines].join("\n"));
    await must("docker", ["build", "-q", "--network=host", "-t", tag, directory], { env, timeoutMs: BUILD_TIMEOUT_MS });
  });
}

/** Without a registry: Debian's own installer makes the base, without what the slim images leave out. */
async function bootstrapDebian(env: Readonly<Record<string, string>>): Promise<void> {
  await inDirectory(async (directory) => {
    const base = join(directory, "base");
    await must("debootstrap", ["--variant=minbase", "bookworm", base], { timeoutMs: 300_000 });
    const left = ["usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/cache/apt/archives"];
    const excluded = [...left, "var/lib/apt/lists"].map((path) => `--exclude=./${path}/*`);
    const pipe = `tar -C "$1" "\${@:2}" -c . | docker import - ${DEBIAN}`;
    await must("bash", ["-o", "pipefail", "-c", pipe, "import", base, ...excluded], { env, timeoutMs: 120_000 });
  });
}

/** Debian's own Node is too old: the one that runs this, with its npm and the certificates that this machine trusts. */
async function nodeFromHere(env: Readonly<Record<string, string>>): Promise<string> {
  await inDirectory(async (directory) => {
    const node = await realpath(process.execPath);
    const npm = join(dirname(node), "../lib/node_modules/npm");
    const certificates = "etc/ssl/certs/ca-certificates.crt";
    await mkdir(join(directory, "usr/local/bin"), { recursive: true });
    await copyFile(node, join(directory, "usr/local/bin/node"));
    await cp(npm, join(directory, "usr/local/lib/node_modules/npm"), { recursive: true });
    await symlink("../lib/node_modules/npm/bin/npm-cli.js", join(directory, "usr/local/bin/npm"));
    await mkdir(dirname(join(directory, certificates)), { recursive: true });
    await copyFile(join("/", certificates), join(directory, certificates));
    const lines = [`FROM ${DEBIAN}`, "COPY usr /usr", "COPY etc /etc", `ENV NODE_EXTRA_CA_CERTS=/${certificates}`];
    await writeFile(join(directory, "Dockerfile"), lines.join("\n"));
    await must("docker", ["build", "-q", "-t", NODE_HERE, directory], { env, timeoutMs: BUILD_TIMEOUT_MS });
  });
  return NODE_HERE;
}

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "routectl-image-"));
  try {
    await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
