// @ts-check
// Writes nginx's files for the image: those of nginx/, with what is different in a container. Which settings there are and
// what values they may have says lua/router/settings.ts: nginx does not start with wrong ones.
//   node write-configuration.mjs /etc/nginx OUT      (where they will be, and where to put them)
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [, , place = "", out = ""] = process.argv;
const root = join(import.meta.dirname, "../..");
const modules = ["ndk_http_module.so", "ngx_http_lua_module.so"];

/** A setting of init from the environment; a text that is no number is for the settings' check to refuse. @param {string} name */
const text = (name) => `os.getenv("${name}")`;
/** @param {string} name */
const number = (name) => `tonumber(${text(name)}) or ${text(name)}`;
const init = [
  `ipconfig = ${text("ROUTECTL_IPCONFIG")} or "http://ipconfig:9146"`,
  `lastGoodFile = "/var/lib/routectl/last-good"`,
  `node = ${text("ROUTECTL_NODE")} or ""`,
  `staleAfterMs = ${number("ROUTECTL_STALE_AFTER_MS")}`,
  `fallbackHalfLifeMs = ${number("ROUTECTL_FALLBACK_HALF_LIFE_MS")}`,
  `maxInFlight = ${number("ROUTECTL_MAX_IN_FLIGHT")}`,
  `stickySecretFile = ${text("ROUTECTL_STICKY_SECRET_FILE")}`,
];

mkdirSync(join(out, "routectl"), { recursive: true });
write("nginx.conf", "nginx.conf", [
  // The entrypoint says how many.
  ["worker_processes 2;", "include modules.conf;"],
  ["include routectl/http.conf;", "include /run/routectl/resolver.conf;\n    include routectl/http.conf;"],
  ["listen 127.0.0.1:8080;", "listen 8080;"],
  ["include routectl/proxy.conf;", "include routectl/proxy.conf;\n            include /run/routectl/location.conf;"],
]);
write("http.conf", "routectl/http.conf", [
  ["/etc/nginx/?.lua;", `${place}/?.lua;`],
  [/init\(\{.*?\}\)/g, `init({ ${init.join(", ")} })`],
  ["listen 127.0.0.1:9145;", "listen 9145;"],
]);
writeFileSync(
  join(out, "modules.conf"),
  modules.map((file) => `load_module /usr/lib/nginx/modules/${file};\n`).join(""),
);
for (const file of readdirSync(join(root, "nginx"))) {
  if (file !== "nginx.conf" && file !== "http.conf") copyFileSync(join(root, "nginx", file), join(out, "routectl", file));
}
copyFileSync(join(root, "dist/router.lua"), join(out, "routectl/router.lua"));

/** @param {string} from @param {string} to @param {[string | RegExp, string][]} replacements */
function write(from, to, replacements) {
  let content = readFileSync(join(root, "nginx", from), "utf8");
  for (const [old, wanted] of replacements) {
    if (content.split(old).length !== 2) throw new Error(`nginx/${from}: ${old} must be there once`);
    content = content.replace(old, () => wanted);
  }
  writeFileSync(join(out, to), content);
}
