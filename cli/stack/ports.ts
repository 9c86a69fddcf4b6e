import { createServer } from "node:net";
import { EXIT, RoutectlError } from "../errors.ts";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, with brackets around IPv6. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

export function urlOf(endpoint: Endpoint): string {
  return `http://${formatEndpoint(endpoint)}`;
}

/**
 * Makes sure that an endpoint can be listened on, and picks a free port where it is 0.
 * @param flag how the user chooses another one
 * @throws RoutectlError `port-taken`
 */
export async function claimEndpoint({ host, port }: Endpoint, flag: string): Promise<Endpoint> {
  if (port === 0) return { host, port: await freePort(host) };
  const error = await tryToListen(host, port);
  if (error === undefined) return { host, port };
  const where = formatEndpoint({ host, port });
  const message =
    error.code === "EADDRINUSE"
      ? `${where} is taken: stop what listens there, or choose another with ${flag} HOST:PORT (port 0 picks a free one)`
      : `can't listen on ${where} (${error.code}): choose another with ${flag} HOST:PORT`;
  throw new RoutectlError("port-taken", EXIT.error, message, error);
}

/** Whether a loopback port can be listened on now. */
export async function isFree(port: number): Promise<boolean> {
  return (await tryToListen("127.0.0.1", port)) === undefined;
}

/**
 * Below what kernels hand out to outgoing connections (32768 and up on Linux): one of those could take a port between
 * our look at it and the part's start.
 */
const LEAST_PORT = 15_000;
const MOST_PORT = 30_000;
const handedOut = new Set<number>();

/** A port that nobody listens on, and that was not handed out before by this process. */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  let error: Error | undefined;
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = LEAST_PORT + Math.floor(Math.random() * (MOST_PORT - LEAST_PORT));
    if (handedOut.has(port)) continue;
    error = await tryToListen(host, port);
    if (error !== undefined) continue;
    handedOut.add(port);
    return port;
  }
  throw new RoutectlError("no-free-port", EXIT.error, `no free port on ${host} (${error?.message}): name one`, error);
}

function tryToListen(host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", resolve);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
