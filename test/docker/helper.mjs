// @ts-check
// Runs in a container of the tests' own, next to the others. An instance that answers what it is told to (8080), and two
// wires from a router to ipconfig-1 (9146) and ipconfig-2 (9147), which pass on, or lie as they are told to on 9000:
//   POST /instance?status=500    POST /ipconfig?mode=garbage    POST /remember (what `older` answers with)
import { randomBytes } from "node:crypto";
import { createServer, get, request as httpRequest } from "node:http";

const HUGE_BYTES = 100 * 1024 * 1024;
let status = 200;
let mode = "pass";
let older = "{}";
/** @type {Set<import("node:http").ServerResponse>} */
const lies = new Set();

createServer((request, response) => {
  request.resume();
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${JSON.stringify({ instance: "demo-6", method: request.method, path: request.url })}\n`);
}).listen(8080);

for (const [port, host] of /** @type {const} */ ([
  [9146, "ipconfig-1"],
  [9147, "ipconfig-2"],
])) {
  createServer((request, response) => {
    if (mode === "pass" || request.url?.startsWith("/v1/snapshot") !== true) return passOn(host, request, response);
    lies.add(response);
    response.on("close", () => lies.delete(response)).on("error", () => undefined);
    lie(host, response);
  }).listen(port);
}

createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://helper");
  if (url.pathname === "/instance") status = Number(url.searchParams.get("status"));
  if (url.pathname === "/ipconfig") {
    mode = url.searchParams.get("mode") ?? "pass";
    for (const unfinished of lies) unfinished.destroy();
  }
  if (url.pathname !== "/remember") return void response.end("ok\n");
  snapshot("ipconfig-1", (text) => {
    older = text;
    response.end("ok\n");
  });
}).listen(9000);

/** @param {string} host @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
function passOn(host, request, response) {
  const { method, url: path, headers } = request;
  const onward = httpRequest({ host, port: 9146, method, path, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  onward.on("error", () => response.destroy());
  response.on("close", () => onward.destroy());
  request.pipe(onward);
}

/** @param {string} host @param {(text: string) => void} use */
function snapshot(host, use) {
  get({ host, port: 9146, path: "/v1/snapshot" }, (answer) => {
    let text = "";
    answer.setEncoding("utf8").on("data", (part) => {
      text += part;
    });
    answer.on("end", () => use(text));
  }).on("error", () => use("{}"));
}

/** @param {string} host @param {import("node:http").ServerResponse} response */
function lie(host, response) {
  if (mode === "garbage") response.end(randomBytes(4096));
  else if (mode === "empty") response.end();
  else if (mode === "older") response.end(older);
  else if (mode === "slow") {
    response.writeHead(200, { "content-type": "application/json", "content-length": 100_000 });
    const timer = setInterval(() => response.write("{"), 1000);
    response.on("close", () => clearInterval(timer));
  } else if (mode === "huge") {
    let left = HUGE_BYTES;
    const part = Buffer.alloc(1024 * 1024, " ");
    const more = () => {
      while (left > 0) {
        left -= part.length;
        if (!response.write(part)) return void response.once("drain", more);
      }
      response.end();
    };
    more();
  } else if (mode === "truncated") {
    snapshot(host, (text) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
      response.write(text.slice(0, text.length / 2), () => response.destroy());
    });
  }
}
