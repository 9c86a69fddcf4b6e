// @ts-check
// An instance that holds WebSockets, in a process of its own: prints its port, names itself in the handshake's answer, and
// answers every message with its id and the message.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const [, , id] = process.argv;
const server = createServer((_request, response) => response.end(JSON.stringify({ instance: id })));
const sockets = new WebSocketServer({ server, clientTracking: false });
sockets.on("headers", (headers) => void headers.push(`x-instance: ${id}`));
sockets.on("connection", (socket) => {
  socket.on("error", () => undefined);
  socket.on("message", (message) => socket.send(`${id} ${message}`));
});
// Nobody needs it longer than its parent.
process.stdin.resume().on("close", () => process.exit());
// All users may come at once.
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  const address = server.address();
  if (address !== null && typeof address === "object") console.log(address.port);
});
