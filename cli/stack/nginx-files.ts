import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Nginx } from "./binaries.ts";

/** What a deployment sets in nginx's files; everything else is as in `nginx/`. */
export interface NginxSettings {
  readonly listen: string;
  readonly adminListen: string;
  readonly ipconfig: string;
  readonly node: string;
  readonly workers: number;
  /** Further fields of the router's `init`, such as `staleAfterMs = 1000`. */
  readonly init?: string;
}

/** As nginx/nginx.conf has it. */
const OPEN_FILES = 65536;

/** The package's directory: this file runs from `cli/` and, built, from `dist/node/cli/`. */
const PACKAGE_ROOT = findPackageRoot(dirname(fileURLToPath(import.meta.url)));

/**
 * Writes a directory that nginx can be started in: `nginx -p DIRECTORY -c nginx.conf`. The files are those of `nginx/`,
 * with their settings replaced.
 * @returns the path of nginx.conf
 */
export async function writeNginxFiles(directory: string, nginx: Nginx, settings: NginxSettings): Promise<string> {
  await mkdir(join(directory, "routectl"), { recursive: true });
  await mkdir(join(directory, "temp"), { recursive: true });
  const read = (name: string): Promise<string> => readFile(join(PACKAGE_ROOT, "nginx", name), "utf8");

  const modules = nginx.modules.map((path) => `load_module ${path};\n`).join("");
  // Workers must be able to write the last good list wherever the state directory is.
  const user = process.getuid?.() === 0 ? "user root;\n" : "";
  const main = replaceOnce(await read("nginx.conf"), [
    ["listen 127.0.0.1:8080;", `listen ${settings.listen};`],
    ["worker_processes 2;", `${user}${modules}worker_processes ${settings.workers};`],
    [`worker_rlimit_nofile ${OPEN_FILES};`, `worker_rlimit_nofile ${Math.min(OPEN_FILES, await mostOpenFiles())};`],
  ]);
  const http = replaceOnce(await read("http.conf"), [
    ['"/etc/nginx/?.lua;;"', `"${directory}/?.lua;;"`],
    ['ipconfig = "http://127.0.0.1:9146"', `ipconfig = "${settings.ipconfig}"`],
    [
      '"/var/lib/routectl/last-good"',
      `"${directory}/last-good"${settings.init === undefined ? "" : `, ${settings.init}`}`,
    ],
    ['node = ""', `node = "${settings.node}"`],
    ["listen 127.0.0.1:9145;", `listen ${settings.adminListen};`],
  ]);
  await writeFile(join(directory, "nginx.conf"), main);
  await writeFile(join(directory, "routectl/http.conf"), http);
  for (const name of ["proxy.conf", "debug-header.conf"]) {
    await copyFile(join(PACKAGE_ROOT, "nginx", name), join(directory, "routectl", name));
  }
  await copyFile(join(PACKAGE_ROOT, "dist/router.lua"), join(directory, "routectl/router.lua"));
  return join(directory, "nginx.conf");
}

/** How many files a process may open at most; nginx complains of a limit that it can't set. */
async function mostOpenFiles(): Promise<number> {
  const limits = await readFile("/proc/self/limits", "utf8").catch(() => "");
  const [, hard] = /^Max open files +\S+ +(\d+)/m.exec(limits) ?? [];
  return hard === undefined ? Number.POSITIVE_INFINITY : Number(hard);
}

function findPackageRoot(directory: string): string {
  return existsSync(join(directory, "package.json")) ? directory : findPackageRoot(dirname(directory));
}

function replaceOnce(text: string, replacements: readonly (readonly [string, string])[]): string {
  let result = text;
  for (const [from, to] of replacements) {
    if (result.split(from).length !== 2) throw new Error(`nginx/: ${from} must be there once`);
    result = result.replace(from, () => to);
  }
  return result;
}
