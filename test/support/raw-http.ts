import { connect, type Socket } from "node:net";
import { waitFor } from "./wait.ts";

/** A client that sends the bytes it is told to, right or wrong. */
export interface RawClient {
  send(text: string | Buffer): void;
  /** Everything that has come so far. */
  received(): string;
  isClosed(): boolean;
  /** Waits until something has come, and gives back all that has. */
  until(pattern: RegExp): Promise<string>;
  /** Waits until the other side has ended the connection. */
  untilClosed(): Promise<string>;
  /** Goes away without a word. */
  destroy(): void;
}

export function openRawClient(url: string): RawClient {
  const { hostname, port } = new URL(url);
  let received = "";
  let closed = false;
  const socket: Socket = connect(Number(port), hostname);
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    closed = true;
  });
  const client: RawClient = {
    send: (text) => void socket.write(text),
    received: () => received,
    isClosed: () => closed,
    until: async (pattern) => {
      await waitFor(`${pattern} in ${JSON.stringify(received.slice(0, 500))}`, () => {
        if (pattern.test(received)) return true;
        if (closed) throw new Error(`the connection ended before ${pattern}: ${received.slice(0, 500)}`);
        return false;
      });
      return received;
    },
    untilClosed: async () => {
      await waitFor("the end of the connection", () => closed);
      return received;
    },
    destroy: () => void socket.destroy(),
  };
  return client;
}
