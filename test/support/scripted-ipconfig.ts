import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Peer, ServiceList, Snapshot } from "../../lua/core/types.ts";

/** A server that answers the router's polls as a broken or hostile ipconfig might. */
export interface ScriptedIpconfig {
  readonly url: string;
  /** Polls so far. */
  polls(): number;
  /** What the next polls are answered with; nothing: they are held for as long as they ask, then 304. */
  answerWith(answer: ((response: ServerResponse, query: URLSearchParams) => void) | undefined): void;
  /** Answers with a body, as JSON when it is not a text. */
  answerBody(body: unknown): void;
  close(): Promise<void>;
}

export async function startScriptedIpconfig(): Promise<ScriptedIpconfig> {
  let polls = 0;
  let answer: ((response: ServerResponse, query: URLSearchParams) => void) | undefined;
  const server = createServer((request, response) => {
    request.resume();
    response.on("error", () => undefined);
    const url = new URL(request.url ?? "/", "http://ipconfig");
    if (url.pathname !== "/v1/snapshot") {
      response.writeHead(204).end();
      return;
    }
    polls++;
    if (answer !== undefined) return answer(response, url.searchParams);
    const timer = setTimeout(() => response.writeHead(304).end(), Number(url.searchParams.get("waitMs") ?? 0));
    response.on("close", () => clearTimeout(timer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const answerWith: ScriptedIpconfig["answerWith"] = (next) => {
    answer = next;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    polls: () => polls,
    answerWith,
    answerBody: (body) => {
      const text = typeof body === "string" ? body : JSON.stringify(body);
      answerWith((response) => response.writeHead(200, { "content-type": "application/json" }).end(text));
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function peer(id: string, fields: Partial<Peer> = {}): Peer {
  const basis = { id, name: id, address: "127.0.0.1", port: 9, baseWeight: 100, score: 1, weight: 100, metadata: {} };
  return { ...basis, ...fields };
}

export function serviceList(instances: readonly Peer[], fields: Partial<ServiceList> = {}): ServiceList {
  return { version: 1, mode: "normal", policy: { algorithm: "weighted-random" }, instances, ...fields };
}

export function snapshot(
  revision: number,
  services: Record<string, ServiceList>,
  fields: Partial<Snapshot> = {},
): Snapshot {
  return { schema: 1, epoch: "epoch-a", revision, full: true, services, removed: [], ...fields };
}
