import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { renderTable } from "../../cli/output/table.ts";
import { ALGORITHMS, type Algorithm } from "../../lua/core/types.ts";
import { ROOT } from "../support/root.ts";
import type { Gate } from "./gate.ts";
import { measurePicks, type PickFigure } from "./pick-cases.ts";
import type { Report } from "./report.ts";

const MANY = 10_000;

/** Nanoseconds a pick, bytes a pick, build time and memory: in OpenResty's LuaJIT, and the same functions in Node. */
export async function benchPick(report: Report): Promise<Gate[]> {
  const lua = inLuaJit();
  const node: PickFigure[] = [];
  // The time of the CPU, as os.clock() of Lua: what the machine gives to others is no part of a pick.
  const nowSeconds = (): number => process.cpuUsage().user / 1e6;
  const runtime = { nowSeconds, random: Math.random, heapBytes: () => undefined };
  for (const algorithm of ALGORITHMS) measurePicks(runtime, algorithm, (figure) => node.push(figure));
  const at = (algorithm: Algorithm, peers: number): PickFigure =>
    lua.find((figure) => figure.algorithm === algorithm && figure.peers === peers)!;
  const timesTen = ({ algorithm, nanosecondsPerPick }: PickFigure): number =>
    nanosecondsPerPick / at(algorithm, 10).nanosecondsPerPick;
  const rows = lua.map((figure, index) => [
    figure.algorithm,
    figure.peers,
    figure.nanosecondsPerPick.toFixed(1),
    timesTen(figure).toFixed(2),
    node[index]!.nanosecondsPerPick.toFixed(1),
    figure.bytesPerPick!.toFixed(3),
    figure.buildMilliseconds.toFixed(2),
    figure.bytesPerPeer!.toFixed(0),
  ]);
  report.print(
    renderTable(
      ["ALGORITHM", "PEERS", "NS/PICK LUAJIT", "× AT 10", "NS/PICK NODE", "BYTES/PICK", "BUILD MS", "BYTES/PEER"],
      rows,
    ),
  );
  const cost = (algorithm: Algorithm, peers: number, limit: number): Gate => ({
    name: `${algorithm}: a pick at ${peers.toLocaleString("en")} peers, ns`,
    value: at(algorithm, peers).nanosecondsPerPick,
    limit,
  });
  const build = (algorithm: Algorithm): Gate => ({
    name: `${algorithm}: build of ${MANY.toLocaleString("en")} peers, ms`,
    value: at(algorithm, MANY).buildMilliseconds,
    limit: 10,
  });
  return [
    {
      name: "weighted-random: cost of a pick at 10,000 peers, as a multiple of that at 10",
      value: timesTen(at("weighted-random", MANY)),
      limit: 2,
    },
    cost("weighted-random", MANY, 60),
    cost("adaptive", 32, 500),
    cost("adaptive", MANY, 500),
    {
      name: "bytes allocated per pick, the most of any algorithm and size",
      value: Math.max(...lua.map((figure) => figure.bytesPerPick!)),
      limit: 0.01,
    },
    build("weighted-random"),
    build("consistent-hash"),
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
