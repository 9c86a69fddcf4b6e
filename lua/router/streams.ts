import type { RoutedRequest } from "./request.ts";

/** Finds out whether a request is for a stream, which may be silent for long: a WebSocket, server-sent events, or gRPC. */
export function noteStream(request: RoutedRequest): void {
  request.isStream = ngx.var["routectl_upgrade"] === "websocket" || acceptsEvents() || isGrpc();
}

function acceptsEvents(): boolean {
  const accept = ngx.var["http_accept"];
  return accept !== undefined && string.find(accept, "text/event-stream", 1, true)[0] !== undefined;
}

/** Whether a request is a gRPC call. A unary call can't be told from a stream, but brings a deadline of its own. */
export function isGrpc(): boolean {
  const type = ngx.var["content_type"];
  return type !== undefined && string.sub(type, 1, 16) === "application/grpc";
}
