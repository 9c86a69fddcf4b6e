import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as breath, setTimeout as delay } from "node:timers/promises";
import { serveStatus } from "../status/index.ts";

const MAX_MS = 60_000;
/** A busy instance still answers: it works for so long, then looks at its other requests. */
const WORK_MS = 40;

/**
 * An instance to try the router on: answers with its id as JSON, and reports its status over gRPC. `?delayMs=` makes an
 * answer slow, `?status=` gives it another status, `?burnMs=` keeps the instance's CPU busy for so long.
 * @returns its ports, and how to stop it
 */
export async function startDemoInstance(
  id: string,
  host: string,
  port: number,
  statusPort: number,
): Promise<{ port: number; statusPort: number; stop(): Promise<void> }> {
  const server = createServer((request, response) => void answer(id, request, response));
  // Longer than nginx keeps an idle connection, so that it is nginx that closes it.
  server.keepAliveTimeout = 65_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const status = await serveStatus({ server, host, port: statusPort });
  return {
    port: (server.address() as AddressInfo).port,
    statusPort: status.port,
    stop: () =>
      new Promise((resolve) => {
        status.stop();
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

async function answer(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://demo");
  const number = (name: string, least: number, most: number, otherwise: number): number => {
    const value = Number(url.searchParams.get(name) ?? otherwise);
    return Number.isInteger(value) && value >= least && value <= most ? value : otherwise;
  };
  request.resume();
  const burnMs = number("burnMs", 0, MAX_MS, 0);
  if (burnMs > 0) void burn(burnMs);
  const delayMs = number("delayMs", 0, MAX_MS, 0);
  if (delayMs > 0) await delay(delayMs);
  response.writeHead(number("status", 200, 599, 200), { "content-type": "application/json" });
  response.end(`${JSON.stringify({ instance: id, method: request.method, path: url.pathname })}\n`);
}

async function burn(milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    const until = performance.now() + WORK_MS;
    while (performance.now() < until);
    await breath();
  }
}
