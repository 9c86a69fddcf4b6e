import type { Algorithm } from "../../../lua/core/types.ts";
import { measurePicks } from "../pick-cases.ts";

/** What luajit was called with. */
declare const arg: LuaTable<number, string>;

const runtime = {
  nowSeconds: () => os.clock(),
  random: () => math.random(),
  heapBytes: (collect: boolean) => {
    if (collect) {
      collectgarbage("collect");
      // From here on nothing is collected, so that what is left over is what was allocated.
      collectgarbage("stop");
    }
    const bytes = collectgarbage("count") * 1024;
    return bytes;
  },
};

/** One algorithm a process: the traces of one must not get in the way of the next. */
measurePicks(runtime, arg.get(1) as Algorithm, (figure) => {
  collectgarbage("restart");
  const { algorithm, peers, nanosecondsPerPick, bytesPerPick, buildMilliseconds, bytesPerPeer } = figure;
  const numbers = string.format(
    "%.2f %.4f %.3f %.0f",
    nanosecondsPerPick,
    bytesPerPick!,
    buildMilliseconds,
    bytesPerPeer!,
  );
  print(`${algorithm} ${peers} ${numbers}`);
});
