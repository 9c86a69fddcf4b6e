import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A wire that can be cut: passes TCP connections on to another port. */
export interface TcpProxy {
  readonly url: string;
  /** Ends all connections; new ones end at once. */
  cut(): void;
  mend(): void;
  /** A connection on which the client has sent this text carries no answers any more. */
  loseAnswersTo(text: string): void;
  close(): Promise<void>;
}

export async function startTcpProxy(targetUrl: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(targetUrl);
  const sockets = new Set<Socket>();
  let whole = true;
  let unanswered: string | undefined;
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    if (!whole) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(port), hostname);
    keep(client);
    keep(upstream);
    client.on("close", () => upstream.destroy()).pipe(upstream);
    client.on("data", (sent) => {
      if (unanswered !== undefined && sent.includes(unanswered)) upstream.unpipe(client).resume();
    });
    upstream.on("close", () => client.destroy()).pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    mend: () => {
      whole = true;
    },
    loseAnswersTo: (text) => {
      unanswered = text;
    },
    close: async () => {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
