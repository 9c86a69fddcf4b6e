import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { EXIT, RoutectlError } from "../errors.ts";

/** nginx with the Lua module, and what has to be loaded into it. */
export interface Nginx {
  readonly path: string;
  /** Absolute paths of dynamic modules; empty where they are compiled in, as in OpenResty. */
  readonly modules: readonly string[];
}

const MODULE_DIRECTORIES = ["/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/usr/lib64/nginx/modules"];
const LUA_MODULES = ["ndk_http_module.so", "ngx_http_lua_module.so"];
const OPENRESTY = "/usr/local/openresty/nginx/sbin/nginx";

/**
 * `ROUTECTL_NGINX` names another binary, `ROUTECTL_NGINX_MODULES` the directory of its modules.
 * @throws RoutectlError that says what to install
 */
export function findNginx(): Nginx {
  const { ROUTECTL_NGINX: wanted, ROUTECTL_NGINX_MODULES: moduleDirectory } = process.env;
  const candidates = wanted === undefined ? ["nginx", "openresty", "/usr/sbin/nginx", OPENRESTY] : [wanted];
  for (const path of candidates) {
    const probe = spawnSync(path, ["-V"], { encoding: "utf8" });
    if (probe.error !== undefined || !/^(nginx|openresty) version/.test(probe.stderr)) continue;
    if (/ngx_lua|lua-nginx-module|openresty/.test(probe.stderr)) return { path, modules: [] };
    for (const directory of moduleDirectory === undefined ? MODULE_DIRECTORIES : [moduleDirectory]) {
      const modules = LUA_MODULES.map((file) => `${directory}/${file}`);
      if (modules.every((file) => existsSync(file))) return { path, modules };
    }
    throw new RoutectlError(
      "nginx-without-lua",
      EXIT.error,
      `${path} has no Lua module: install libnginx-mod-http-lua and lua-resty-core, or name an OpenResty with ROUTECTL_NGINX`,
    );
  }
  throw new RoutectlError(
    "nginx-missing",
    EXIT.error,
    `${wanted ?? "nginx"} was not found: install nginx, libnginx-mod-http-lua, lua-resty-core and lua-cjson, or OpenResty`,
  );
}

/** @throws RoutectlError that says what to install */
export function findEtcd(): string {
  const path = process.env.ROUTECTL_ETCD_BINARY ?? "etcd";
  if (spawnSync(path, ["--version"]).error === undefined) return path;
  throw new RoutectlError(
    "etcd-missing",
    EXIT.error,
    `${path} was not found: install etcd-server, or use a running etcd with --etcd URL`,
  );
}
