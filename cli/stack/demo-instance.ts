import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const MAX_DELAY_MS = 60_000;

/**
 * An instance to try the router on: answers with its id as JSON. `?delayMs=` makes it slow, `?status=` makes it answer
 * with another status.
 * @returns the port, and how to stop it
 */
export async function startDemoInstance(
  id: string,
  host: string,
  port: number,
): Promise<{ port: number; stop(): Promise<void> }> {
  const server = createServer((request, response) => void answer(id, request, response));
  // Longer than nginx keeps an idle connection, so that it is nginx that closes it.
  server.keepAliveTimeout = 65_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
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
  const delayMs = number("delayMs", 0, MAX_DELAY_MS, 0);
  if (delayMs > 0) await delay(delayMs);
  response.writeHead(number("status", 200, 599, 200), { "content-type": "application/json" });
  response.end(`${JSON.stringify({ instance: id, method: request.method, path: url.pathname })}\n`);
}
