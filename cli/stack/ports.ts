import { type AddressInfo, createServer } from "node:net";
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
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      const where = formatEndpoint({ host, port });
      const message =
        error.code === "EADDRINUSE"
          ? `${where} is taken: stop what listens there, or choose another with ${flag} HOST:PORT (port 0 picks a free one)`
          : `can't listen on ${where} (${error.code}): choose another with ${flag} HOST:PORT`;
      reject(new RoutectlError("port-taken", EXIT.error, message, error));
    });
    server.listen({ host, port, exclusive: true }, () => {
      const { port: given } = server.address() as AddressInfo;
      server.close(() => resolve({ host, port: given }));
    });
  });
}

/** Whether a loopback port can be listened on now. */
export async function isFree(port: number): Promise<boolean> {
  return claimEndpoint({ host: "127.0.0.1", port }, "").then(
    () => true,
    () => false,
  );
}

export async function freePort(): Promise<number> {
  return (await claimEndpoint({ host: "127.0.0.1", port: 0 }, "")).port;
}
