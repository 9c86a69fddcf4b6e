import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestReplica } from "../support/replica.ts";

/** The admin API of a router that is not there, and says what a test wants. */
export interface FakeRouter {
  readonly node: string;
  readonly url: string;
  /** What it answers at a path; nothing, or undefined: 404. */
  readonly answers: Map<string, unknown>;
  /** What it says with 404. */
  missing: object;
  /** Whether it answers nothing of use: by turns the connection breaks, and it says 503. */
  isSilent: boolean;
  /** How often it was asked for a service. */
  asked: number;
  /** Tells an ipconfig that its one worker applies a revision. */
  report(replica: TestReplica, position: { epoch: string; revision: number }): Promise<number>;
  close(): Promise<void>;
}

export async function startFakeRouter(node: string): Promise<FakeRouter> {
  const answers = new Map<string, unknown>([["/v1/status", { node }]]);
  let refused = 0;
  const server = createServer((request, response) => {
    if (request.url?.startsWith("/v1/services/")) router.asked++;
    if (router.isSilent) {
      if (refused++ % 2 === 0) response.destroy();
      else response.writeHead(503).end();
      return;
    }
    const { pathname } = new URL(request.url ?? "/", "http://router");
    const answer = answers.get(request.url ?? "/") ?? answers.get(pathname);
    response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? router.missing));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const router: FakeRouter = {
    node,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answers,
    missing: { error: "unknown-service", message: "no such service" },
    isSilent: false,
    asked: 0,
    report: (replica, position) => replica.report(node, position),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return router;
}

/** `GET /v1/services/NAME` of a router; peers by what differs from the ordinary. */
export function fakeService(service: string, peers: readonly ({ id: string } & object)[], fields: object = {}): object {
  const ordinary = {
    ...{ address: "10.0.0.1", port: 80, baseWeight: 100, score: 1, weight: 100, share: 1, state: "up", inFlight: 0 },
    ...{ override: null, metadata: {} },
  };
  return {
    ...{ service, mode: "normal", algorithm: "adaptive", panic: false, epoch: "e", revision: 7, listAgeMs: 40 },
    policy: { algorithm: "adaptive" },
    ...fields,
    peers: peers.map((peer) => ({ ...ordinary, ...peer })),
  };
}
