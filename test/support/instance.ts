import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";

/** A server of the test's own process that stands for an instance: any of Node's that take TCP connections. */
export interface Instance {
  readonly port: number;
  /** Connections that are open now. */
  connections(): number;
  /** Ends it as a crash would: nobody listens any more, and every connection ends at once. */
  kill(): Promise<void>;
}

export async function startInstance(server: Server): Promise<Instance> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => sockets.size,
    kill: async () => {
      for (const socket of sockets) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, "close");
    },
  };
}
