import { MAX_SNAPSHOT_BYTES } from "../core/snapshot-check.ts";
import type { IpconfigUrl } from "./settings.ts";

/**
 * A small HTTP client over cosockets for timers. It asks in HTTP/1.0 with keep-alive, so that the answer is never
 * chunked, and holds a total deadline, which nginx's timeouts between two reads do not give: a server that sends one
 * byte a second is cut off.
 */
export interface HttpResponse {
  readonly status: number;
  /** Status line and headers as they came. */
  readonly head: string;
  readonly body: string;
}

const MAX_HEAD_BYTES = 16384;
const CHUNK_BYTES = 65536;
const KEEPALIVE_MS = 30_000;
const POOL_SIZE = 4;

/**
 * @param path with its query, starting with a slash
 * @param body sent as JSON when it is given
 * @returns the response, or nothing and the reason
 */
export function httpRequest(
  method: "GET" | "POST",
  target: IpconfigUrl,
  path: string,
  body: string | undefined,
  timeoutMs: number,
): LuaMultiReturn<[HttpResponse | undefined, string?]> {
  const deadline = ngx.now() + timeoutMs / 1000;
  let lines = `${method} ${path} HTTP/1.0\r\nHost: ${target.host}:${target.port}\r\nConnection: keep-alive\r\n`;
  if (body !== undefined) lines += `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
  const message = `${lines}\r\n${body ?? ""}`;

  const [response, error, stale] = exchange(target, message, deadline);
  // A kept-alive connection that the server has closed meanwhile says nothing of the server: ask once more.
  if (response === undefined && stale === true) {
    const [again, secondError] = exchange(target, message, deadline);
    return $multi(again, secondError);
  }
  return $multi(response, error);
}

function exchange(
  target: IpconfigUrl,
  message: string,
  deadline: number,
): LuaMultiReturn<[HttpResponse | undefined, string?, boolean?]> {
  const socket = ngx.socket.tcp();
  socket.settimeout(Math.max(1, Math.min(1000, (deadline - ngx.now()) * 1000)));
  const [connected, connectError] = socket.connect(target.host, target.port);
  if (connected === undefined) return $multi(undefined, connectError ?? "connect failed");
  const reused = socket.getreusedtimes() > 0;
  const [sent, sendError] = socket.send(message);
  if (sent === undefined) {
    socket.close();
    return $multi(undefined, sendError ?? "send failed", reused);
  }
  const [response, error, keep] = receive(socket, deadline);
  if (response !== undefined && keep === true) socket.setkeepalive(KEEPALIVE_MS, POOL_SIZE);
  else socket.close();
  return $multi(response, error, reused && error === "closed");
}

function receive(socket: TcpSocket, deadline: number): LuaMultiReturn<[HttpResponse | undefined, string?, boolean?]> {
  let text = "";
  let headEnd: number | undefined;
  while (headEnd === undefined) {
    const [part, error] = receivePart(socket, deadline);
    if (part === undefined) return $multi(undefined, text === "" ? error : "truncated head");
    text += part;
    headEnd = string.find(text, "\r\n\r\n", 1, true)[0];
    if (headEnd === undefined && text.length > MAX_HEAD_BYTES) return $multi(undefined, "head too long");
  }
  const head = string.sub(text, 1, headEnd);
  const status = tonumber(string.match(head, "^HTTP/1%.[01] (%d%d%d)")[0]);
  if (status === undefined) return $multi(undefined, "not HTTP");
  const lower = string.lower(head);
  const length = tonumber(string.match(lower, "\ncontent%-length: *(%d+)")[0]);
  if (length !== undefined && length > MAX_SNAPSHOT_BYTES) return $multi(undefined, "body too long");

  const first = string.sub(text, headEnd + 4);
  const parts: string[] = [first];
  let received = first.length;
  const bodyless = status === 304 || status === 204;
  const wanted = bodyless ? 0 : length;
  while (wanted === undefined || received < wanted) {
    const [part, error] = receivePart(socket, deadline);
    if (part === undefined) {
      if (wanted === undefined && error === "closed") break;
      return $multi(undefined, error === "closed" ? "truncated body" : error);
    }
    parts[parts.length] = part;
    received += part.length;
    if (received > MAX_SNAPSHOT_BYTES) return $multi(undefined, "body too long");
  }
  const keep =
    wanted !== undefined && received === wanted && string.find(lower, "\nconnection: *close")[0] === undefined;
  return $multi({ status, head: lower, body: table.concat(parts) }, undefined, keep);
}

function receivePart(socket: TcpSocket, deadline: number): LuaMultiReturn<[string | undefined, string?]> {
  const remainingMs = (deadline - ngx.now()) * 1000;
  if (remainingMs < 1) return $multi(undefined, "deadline exceeded");
  socket.settimeout(remainingMs);
  const [part, error] = socket.receiveany(CHUNK_BYTES);
  if (part === undefined) return $multi(undefined, error === "timeout" ? "deadline exceeded" : (error ?? "closed"));
  return $multi(part);
}
