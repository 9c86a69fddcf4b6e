import { measurePicks } from "../pick-cases.ts";

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

measurePicks(runtime, (figure) => {
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
