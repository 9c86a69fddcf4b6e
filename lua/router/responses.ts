import type { RoutedRequest } from "./request.ts";

/** An attempt of a request has ended: what was under way at the peer goes down, and its status is counted. */
export function countAttempt(request: RoutedRequest, status: number): void {
  const { load } = request;
  if (load === undefined) return;
  const { serviceLoad } = request.table;
  load.inFlight--;
  serviceLoad.inFlight--;
  load.responses.set(status, (load.responses.get(status) ?? 0) + 1);
  request.load = undefined;
}
