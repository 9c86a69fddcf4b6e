// @ts-check
// Some instances that take as long as servers do, in a process of their own: each serves SLOTS requests at a time, and the
// others wait in turn; a service takes an exponentially distributed time. Sends the ports to its parent; what the parent
// sends are the mean times of the instances in milliseconds, which are answered with the requests that came meanwhile.
import { createServer } from "node:http";

const [, , instances, slots] = process.argv;
const SLOTS = Number(slots);

/** @type {number[]} */
let means = [];
/** @type {number[]} */
const counts = [];
/** @type {Promise<number>[]} */
const ports = [];

for (let index = 0; index < Number(instances); index++) {
  counts[index] = 0;
  /** @type {(() => void)[]} */
  const waiting = [];
  let busy = 0;
  const serve = (/** @type {() => void} */ answer) => {
    busy++;
    const serviceMs = -(means[index] ?? 0) * Math.log(1 - Math.random());
    setTimeout(() => {
      answer();
      busy--;
      const next = waiting.shift();
      if (next !== undefined) serve(next);
    }, serviceMs);
  };
  const server = createServer((_request, response) => {
    counts[index]++;
    const answer = () => response.end("ok\n");
    if (busy < SLOTS) serve(answer);
    else waiting.push(answer);
  });
  server.keepAliveTimeout = 3_600_000;
  ports.push(
    new Promise((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        if (address !== null && typeof address === "object") resolve(address.port);
      });
    }),
  );
}

process.on("message", (message) => {
  means = /** @type {number[]} */ (message);
  process.send?.(counts.slice());
  counts.fill(0);
});
process.on("disconnect", () => process.exit());
process.send?.(await Promise.all(ports));
