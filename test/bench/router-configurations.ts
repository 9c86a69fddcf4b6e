import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Nginx } from "../../cli/stack/binaries.ts";
import { ROOT } from "../support/root.ts";

/** Where the proxies under comparison serve, so that all of them look for a location of the same kind. */
export const PATH = "/service/";

/** Four instances that answer at once, in one nginx. They never close a connection, so that only the proxies' settings count. */
export function instancesConfiguration(ports: readonly number[]): string {
  const servers = ports.map((port) => `server { listen 127.0.0.1:${port}; location / { return 200 "ok\\n"; } }`);
  return nginxConfiguration([], `keepalive_requests 1000000000; keepalive_timeout 1h;\n${servers.join("\n")}`);
}

/**
 * nginx as a proxy with everything that our files set, but for their Lua: the variables, the headers, the buffers and the
 * upstream's kept-alive connections are the same.
 * @param upstream what is in the upstream block before its `keepalive` lines
 */
export async function proxyConfiguration(nginx: Nginx, listen: number, upstream: string): Promise<string> {
  const http = await readFile(join(ROOT, "nginx/http.conf"), "utf8");
  const proxy = await readFile(join(ROOT, "nginx/proxy.conf"), "utf8");
  const maps = http.match(/^map [^{]*\{[^}]*\}/gm) ?? [];
  const [, ours] = /^upstream routectl \{\n([\s\S]*?)^\}/m.exec(http)!;
  const keepalive = ours!.match(/^ +keepalive.*;$/gm) ?? [];
  const server = `server {
    listen 127.0.0.1:${listen};
    location ^~ ${PATH} {
${proxy.replace(/^.*_by_lua_block .*$/gm, "")}
        proxy_pass http://instances;
    }
}`;
  return nginxConfiguration(
    nginx.modules,
    `${maps.join("\n")}\nupstream instances {\n${upstream}\n${keepalive.join("\n")}\n}\n${server}`,
  );
}

export function serversOf(ports: readonly number[]): string {
  return ports.map((port) => `    server 127.0.0.1:${port};`).join("\n");
}

/** @param modules absolute paths of what is loaded; @param http the http block */
export function nginxConfiguration(modules: readonly string[], http: string, workers = 1): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path temp/${name};`,
  );
  return `${process.getuid?.() === 0 ? "user root;\n" : ""}${modules.map((path) => `load_module ${path};\n`).join("")}
worker_processes ${workers};
pid nginx.pid;
error_log stderr warn;
events { worker_connections 8192; }
http {
access_log off;
${temporary.join("\n")}
${http}
}
`;
}

/** haproxy with one thread, the same headers, and connections kept alive as long as nginx keeps them. */
export function haproxyConfiguration(listen: number, balance: string, ports: readonly number[]): string {
  const servers = ports.map((port, index) => `    server i-${index} 127.0.0.1:${port} pool-max-conn 128`);
  return `global
    nbthread 1
    maxconn 8192
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    retries 2
    option redispatch
    http-reuse always
frontend clients
    bind 127.0.0.1:${listen}
    option forwardfor
    http-request set-header X-Real-IP %[src]
    http-request set-header X-Forwarded-Proto http
    default_backend instances
backend instances
    balance ${balance}
${servers.join("\n")}
`;
}
