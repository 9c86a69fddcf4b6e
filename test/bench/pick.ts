import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { renderTable } from "../../cli/output/table.ts";
import { ALGORITHMS } from "../../lua/core/types.ts";
import { ROOT } from "../support/root.ts";
import type { Gate } from "./gate.ts";
import { measurePicks, type PickFigure } from "./pick-cases.ts";

/** Nanoseconds a pick, bytes a pick, build time and memory: in OpenResty's LuaJIT, and the same functions in Node. */
export async function benchPick(): Promise<Gate[]> {
  const lua = inLuaJit();
  const node: PickFigure[] = [];
  const runtime = { nowSeconds: () => performance.now() / 1000, random: Math.random, heapBytes: () => undefined };
  for (const algorithm of ALGORITHMS) measurePicks(runtime, algorithm, (figure) => node.push(figure));
  const rows = lua.map((figure, index) => [
    figure.algorithm,
    figure.peers,
    figure.nanosecondsPerPick.toFixed(1),
    node[index]!.nanosecondsPerPick.toFixed(1),
    figure.bytesPerPick!.toFixed(3),
    figure.buildMilliseconds.toFixed(2),
    figure.bytesPerPeer!.toFixed(0),
  ]);
  console.log(
    renderTable(["ALGORITHM", "PEERS", "NS/PICK LUAJIT", "NS/PICK NODE", "BYTES/PICK", "BUILD MS", "BYTES/PEER"], rows),
  );
  const at = (algorithm: string, peers: number): PickFigure =>
    lua.find((figure) => figure.algorithm === algorithm && figure.peers === peers)!;
  const random = [at("weighted-random", 10), at("weighted-random", 10_000)] as const;
  return [
    {
      name: "weighted-random: cost of a pick at 10,000 peers, as a multiple of that at 10",
      value: random[1].nanosecondsPerPick / random[0].nanosecondsPerPick,
      limit: 2,
    },
    {
      name: "bytes allocated per pick, the most of any algorithm and size",
      value: Math.max(...lua.map((figure) => figure.bytesPerPick!)),
      limit: 0.01,
    },
    { name: "weighted-random: build of 10,000 peers, ms", value: random[1].buildMilliseconds, limit: 10 },
  ];
}

function inLuaJit(): PickFigure[] {
  const tstl = join(ROOT, "node_modules/typescript-to-lua/dist/tstl.js");
  execFileSync(process.execPath, [tstl, "-p", join(ROOT, "test/bench/lua")], { stdio: "inherit" });
  const modules = join(ROOT, "dist/bench-lua");
  const driver = join(modules, "test/bench/lua/pick-driver.lua");
  const env = { ...process.env, LUA_PATH: `${modules}/?.lua;;` };
  const outputs = ALGORITHMS.map((algorithm) => execFileSync("luajit", [driver, algorithm], { env, encoding: "utf8" }));
  return outputs
    .join("")
    .trim()
    .split("\n")
    .map((line) => {
      const [algorithm, ...numbers] = line.split(" ");
      const [peers, nanosecondsPerPick, bytesPerPick, buildMilliseconds, bytesPerPeer] = numbers.map(Number);
      return { algorithm, peers, nanosecondsPerPick, bytesPerPick, buildMilliseconds, bytesPerPeer } as PickFigure;
    });
}
