// @ts-check
// Makes the project ready on a machine that has only Node and npm: installs what is missing, and builds what has changed.
// It runs before anything is installed, so it is plain JavaScript and uses nothing but Node itself.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const forTests = process.argv.includes("--for-tests");
const forBench = process.argv.includes("--for-bench");

/** What has to be on the machine: a file by which it is known, the Debian package that brings it, and what it is for. */
const needs = [
  { found: () => onPath("nginx") || onPath("openresty"), packages: ["nginx"] },
  { found: () => isThere(luaModules) || onPath("openresty"), packages: ["libnginx-mod-http-lua"] },
  { found: () => isThere(["/usr/share/lua/5.1/resty/core.lua"]) || onPath("openresty"), packages: ["lua-resty-core"] },
  { found: () => onPath("openresty") || findCjson(), packages: ["lua-cjson"] },
  { found: () => onPath("etcd"), packages: ["etcd-server"] },
  ...(forTests ? [{ found: () => onPath("luajit"), packages: ["luajit2"] }] : []),
  ...(forTests ? [{ found: () => onPath("promtool"), packages: ["prometheus"] }] : []),
  ...(forBench ? ["haproxy", "wrk"].map((name) => ({ found: () => onPath(name), packages: [name] })) : []),
];
const luaModules = ["/usr/lib/nginx/modules/ngx_http_lua_module.so", "/usr/share/nginx/modules/ngx_http_lua_module.so"];

main();

function main() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`Node ${process.versions.node} is too old: install Node 20.19 or newer`);
  installDebianPackages();
  installNpmPackages();
  build();
}

function installDebianPackages() {
  const missing = needs.filter(({ found }) => !found()).flatMap(({ packages }) => packages);
  if (missing.length === 0) return;
  const isRoot = process.getuid?.() === 0;
  const command = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  if (!onPath("apt-get")) {
    fail(
      `this is not Debian, so please install these yourself: nginx with the Lua module, lua-resty-core and lua-cjson ` +
        `(or OpenResty), etcd 3.4 or newer${forTests ? ", OpenResty's luajit, promtool" : ""}${forBench ? ", haproxy, wrk" : ""}; missing here: ${missing.join(", ")}`,
    );
  }
  if (!isRoot && !onPath("sudo")) fail(`as root, please run: ${command}`);
  say(`installing ${missing.join(", ")}`);
  const sudo = isRoot ? [] : ["sudo"];
  // The stack starts its own nginx and etcd; Debian's must not begin to listen on their ports.
  withoutServices(sudo, () => {
    run([...sudo, "apt-get", "update", "-q"], { quiet: true, mayFail: true });
    const words = command.split(" ");
    run([...sudo, "env", "DEBIAN_FRONTEND=noninteractive", ...words], {
      quiet: true,
      hint: `as root, try: ${command}`,
    });
  });
}

/**
 * Debian starts a service when it installs it, unless this file says no.
 * @param {string[]} sudo
 * @param {() => void} install
 */
function withoutServices(sudo, install) {
  const policy = "/usr/sbin/policy-rc.d";
  if (existsSync(policy)) return install();
  run([...sudo, "sh", "-c", `printf '#!/bin/sh\\nexit 101\\n' > ${policy} && chmod 755 ${policy}`], { quiet: true });
  const remove = () => spawnSync(sudo[0] ?? "rm", sudo.length > 0 ? ["rm", "-f", policy] : ["-f", policy]);
  process.once("exit", remove);
  install();
}

function installNpmPackages() {
  const lock = digest([join(root, "package-lock.json")]);
  const stamp = join(root, "node_modules/.routectl-lock");
  if (readIfThere(stamp) === lock) return;
  say("installing npm packages");
  run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], { quiet: true });
  // So that `npx routectl` in this directory is the one that was built here.
  const link = join(root, "node_modules/.bin/routectl");
  rmSync(link, { force: true });
  symlinkSync("../../dist/node/cli/main.js", link);
  writeFileSync(stamp, lock);
}

function build() {
  const sources = [
    ...filesBelow("cli"),
    ...filesBelow("lua"),
    join(root, "tsconfig.json"),
    join(root, "package-lock.json"),
  ];
  const wanted = digest(sources);
  const stamp = join(root, "dist/.built-from");
  if (readIfThere(stamp) === wanted) return;
  say("building");
  rmSync(join(root, "dist"), { recursive: true, force: true });
  run(["npm", "run", "--silent", "build"], { quiet: true });
  chmodSync(join(root, "dist/node/cli/main.js"), 0o755);
  mkdirSync(join(root, "dist"), { recursive: true });
  writeFileSync(stamp, wanted);
}

/** @param {string} directory @returns {string[]} */
function filesBelow(directory) {
  return readdirSync(join(root, directory), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** @param {string[]} files */
function digest(files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(file).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

/** @param {string} file */
function readIfThere(file) {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

/** @param {string} program */
function onPath(program) {
  const directories = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/usr/bin"];
  return directories.some((directory) => directory !== "" && existsSync(join(directory, program)));
}

/** @param {string[]} files */
function isThere(files) {
  return files.some((file) => existsSync(file));
}

function findCjson() {
  const places = [
    "/usr/share/lua/5.1",
    "/usr/lib/lua/5.1",
    `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/lua/5.1`,
  ];
  return isThere(places.map((place) => join(place, "cjson.so")));
}

/**
 * @param {string[]} command
 * @param {{ quiet?: boolean, mayFail?: boolean, hint?: string }} options
 */
function run([program = "", ...args], { quiet, mayFail, hint }) {
  const result = spawnSync(program, args, {
    cwd: root,
    stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit",
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.status === 0 || mayFail) return;
  // npm ends its errors with its whole help: the first lines are what counts.
  const output = `${result.stdout ?? ""}${result.stderr ?? ""}`.trimEnd().split("\n");
  if (quiet) process.stderr.write(`${output.slice(0, 40).join("\n")}\n`);
  fail(
    `${program} ${args.join(" ")} did not work${result.error ? ` (${result.error.message})` : ""}${hint ? `: ${hint}` : ""}`,
  );
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/** @param {string} text @returns {never} */
function fail(text) {
  process.stderr.write(`setup: ${text}\n`);
  process.exit(1);
}
