import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { ROOT } from "./root.ts";

/** An instance of socket-instance.mjs. */
export interface SocketInstance {
  readonly id: string;
  readonly port: number;
  kill(): Promise<void>;
}

export async function startSocketInstance(id: string): Promise<SocketInstance> {
  const script = join(ROOT, "test/support/socket-instance.mjs");
  const child: ChildProcess = spawn(process.execPath, [script, id], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = (await once(child.stdout!, "data")) as [Buffer];
  return {
    id,
    port: Number(line.toString()),
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
  };
}

/** A user's open WebSocket: bare TCP, since thousands of whole clients would be the load that is measured. */
export interface UserSocket {
  readonly user: string;
  /** The instance that holds it, by the answer to the handshake. */
  readonly instance: string;
  isOpen(): boolean;
  /** Sends a short text. @returns what comes back */
  echo(text: string): Promise<string>;
  close(): void;
}

const MASK = Buffer.from([1, 2, 3, 4]);

/** Opens a WebSocket at a path, with the user's name in the header `x-user-id`. */
export async function openUserSocket(router: string, path: string, user: string): Promise<UserSocket> {
  const { hostname, port } = new URL(router);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  const lines = [`GET ${path} HTTP/1.1`, `Host: ${hostname}:${port}`, "Connection: Upgrade", "Upgrade: websocket"];
  const key = Buffer.from(user.padEnd(16).slice(-16)).toString("base64");
  socket.write(
    [...lines, "Sec-WebSocket-Version: 13", `Sec-WebSocket-Key: ${key}`, `X-User-Id: ${user}`, "\r\n"].join("\r\n"),
  );
  const head = (await nextData(socket, `no answer for ${user}`)).toString("latin1");
  const [, instance] = /^x-instance: (\S+)\r$/m.exec(head) ?? [];
  if (!head.startsWith("HTTP/1.1 101 ") || instance === undefined) {
    socket.destroy();
    throw new Error(`the handshake of ${user} was answered ${head.split("\r\n")[0]}`);
  }
  return {
    user,
    instance,
    isOpen: () => !socket.destroyed && socket.readyState === "open",
    echo: async (text) => {
      const payload = Buffer.from(text);
      const masked = payload.map((byte, index) => byte ^ MASK[index % 4]!);
      socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), MASK, masked]));
      return (await nextData(socket, `no echo for ${user}`)).subarray(2).toString();
    },
    close: () => void socket.destroy(),
  };
}

function nextData(socket: Socket, complaint: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      socket.off("data", onData).off("close", onClose);
    };
    const onData = (data: Buffer): void => {
      done();
      resolve(data);
    };
    const onClose = (): void => {
      done();
      reject(new Error(complaint));
    };
    socket.on("data", onData).on("close", onClose);
  });
}

/** Does something for each of many, so many at a time. */
export async function forEach<T, R>(items: readonly T[], atATime: number, act: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await act(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: atATime }, work));
  return results;
}
