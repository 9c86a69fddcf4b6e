import { describe, expect, it } from "vitest";
import { filesOf, findCycle, type Import, importsOf } from "../support/imports.ts";

/** Who may import whom; every part may import itself, and every part of cli what all of it shares, and lua/core. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "lua/core": [],
  "lua/router": ["lua/core"],
  "cli/main.ts": ["cli/commands"],
  "cli/commands": [
    "cli/ipconfig",
    "cli/exporter",
    "cli/stack",
    "cli/simulate",
    "cli/output",
    "cli/remote",
    "cli/store",
  ],
  "cli/ipconfig": ["cli/store"],
  "cli/exporter": ["cli/store", "cli/status"],
  // It asks the parts that it has started, and its demo instances say how they are.
  "cli/stack": ["cli/remote", "cli/store", "cli/status"],
  // It has scores as ipconfig gives them, and asks for a service's state.
  "cli/simulate": ["cli/ipconfig", "cli/remote", "cli/store"],
  "cli/output": [],
  "cli/remote": ["cli/store"],
  "cli/store": [],
  "cli/status": [],
};
const SHARED_IN_CLI = ["cli/errors.ts", "cli/listen.ts"];

const sources = [...filesOf("cli"), ...filesOf("lua")].filter((file) => /\.ts$/.test(file) && !/\.d\.ts$/.test(file));
const imports = sources.flatMap(importsOf);

/** `cli/store` for `cli/store/etcd.ts`; a file at the top of cli is a part of its own. */
const partOf = (file: string): string => file.split("/").slice(0, 2).join("/");

function isAllowed({ from, to }: Import): boolean {
  const [part, target] = [partOf(from), partOf(to)];
  const isOurs = /^(cli|lua|test|nginx)\//.test(to);
  if (!isOurs) return part !== "lua/core";
  if (part === target || MAY_IMPORT[part]?.includes(target)) return true;
  return part.startsWith("cli/") && (target === "lua/core" || SHARED_IN_CLI.includes(to));
}

const written = ({ from, to }: Import): string => `${from} imports ${to}`;

describe("the layers", () => {
  it("every part of the sources has its place", () => {
    const parts = new Set(sources.map(partOf));
    const placed = [...Object.keys(MAY_IMPORT), ...SHARED_IN_CLI];
    expect([...parts].filter((part) => !placed.includes(part))).toEqual([]);
    expect(imports.length).toBeGreaterThan(200);
  });

  it("nobody imports what is above or beside", () => {
    expect(imports.filter((one) => !isAllowed(one)).map(written)).toEqual([]);
  });

  it("lua/core imports lua/core alone, no package either", () => {
    const ofCore = imports.filter(({ from }) => partOf(from) === "lua/core");
    expect(ofCore.filter(({ to }) => partOf(to) !== "lua/core").map(written)).toEqual([]);
  });

  it("what all of cli shares imports nothing of it but that", () => {
    const ofShared = imports.filter(({ from, to }) => SHARED_IN_CLI.includes(from) && to.startsWith("cli/"));
    expect(ofShared.filter(({ to }) => !SHARED_IN_CLI.includes(to)).map(written)).toEqual([]);
  });

  it("etcd's client is behind cli/store", () => {
    const users = imports.filter(({ from, to }) => to === "etcd3" && partOf(from) !== "cli/store");
    expect(users.map(written)).toEqual([]);
  });

  it("no imports go in a circle: in Lua the second module would find nil", () => {
    expect(findCycle(imports.filter(({ typeOnly }) => !typeOnly))).toBeUndefined();
  });

  it.each<[string, string, boolean]>([
    ["cli/store/etcd.ts", "cli/commands/parse.ts", false],
    ["cli/ipconfig/replica.ts", "cli/remote/http.ts", false],
    ["cli/commands/up.ts", "lua/router/main.ts", false],
    ["lua/router/main.ts", "cli/errors.ts", false],
    ["lua/core/pick.ts", "node:fs", false],
    ["cli/remote/http.ts", "cli/errors.ts", true],
    ["lua/router/main.ts", "lua/core/pick.ts", true],
  ])("of %s importing %s the rules say %s", (from, to, allowed) => {
    expect(isAllowed({ from, to, typeOnly: false })).toBe(allowed);
  });
});

it("no Lua is written by hand", () => {
  expect(filesOf(".").filter((file) => file.endsWith(".lua"))).toEqual([]);
});
