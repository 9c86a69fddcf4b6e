// @ts-check
// Puts the router's modules, one Lua file each in dist/lua, into the one file that nginx loads: dist/router.lua.
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import luabundle from "luabundle";

const dist = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const bundled = luabundle.bundle(join(dist, "lua/router/main.lua"), {
  luaVersion: "LuaJIT",
  isolate: false,
  paths: [join(dist, "lua/?.lua")],
  ignoredModuleNames: ["ngx.balancer", "resty.core.base", "cjson.safe", "ffi"],
});
writeFileSync(join(dist, "router.lua"), bundled);
