import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import type { Hono } from "hono";
import { EXIT, RoutectlError } from "./errors.ts";

/**
 * Serves an application over HTTP.
 * @param port 0 picks a free one
 * @throws RoutectlError `listen` that says what to do when the port is taken
 */
export async function listen(app: Hono, host: string, port: number): Promise<{ url: string; close(): Promise<void> }> {
  const server = await new Promise<ReturnType<typeof serve>>((resolve, reject) => {
    const listening = serve({ fetch: app.fetch, hostname: host, port }, () => resolve(listening));
    listening.on("error", (error: NodeJS.ErrnoException) => {
      const message =
        error.code === "EADDRINUSE"
          ? `${host}:${port} is taken: stop what listens there, or choose another with --listen HOST:PORT`
          : `can't listen on ${host}:${port}: ${error.message}`;
      reject(new RoutectlError("listen", EXIT.error, message, error));
    });
  });
  const { port: given } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${given}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}
