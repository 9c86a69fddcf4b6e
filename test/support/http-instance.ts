import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Peer } from "../../lua/core/types.ts";
import { type Instance, startInstance } from "./instance.ts";
import { peer } from "./scripted-ipconfig.ts";

/** What an instance does with a request, whose body has come as a whole. */
export type Behavior = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** An HTTP instance of the test's own process, which behaves as it is told to, and counts. */
export interface HttpInstance extends Instance {
  readonly id: string;
  /** Answers like this from now on; without a behavior with 200 and its id. */
  behave(behavior?: Behavior): void;
  /** The requests that have come so far, and their bodies. */
  count(): number;
  readonly bodies: readonly string[];
  /** The requests that it has not answered yet, and the most of them at a time since `resetMost`. */
  underWay(): number;
  mostUnderWay(): number;
  resetMost(): void;
  /** Listens again where it did before it was killed. */
  revive(): Promise<void>;
}

export async function startHttpInstance(id: string): Promise<HttpInstance> {
  let behavior: Behavior | undefined;
  let [count, underWay, most] = [0, 0, 0];
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    count++;
    underWay++;
    most = Math.max(most, underWay);
    response.on("close", () => underWay--);
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on("end", () => {
      bodies.push(body);
      (behavior ?? answer(id))(request, response, body);
    });
  });
  // Longer than nginx keeps an idle connection, so that it is nginx that closes it.
  server.keepAliveTimeout = 65_000;
  const instance = await startInstance(server);
  return {
    ...instance,
    id,
    behave: (next) => {
      behavior = next;
    },
    count: () => count,
    bodies,
    underWay: () => underWay,
    mostUnderWay: () => most,
    resetMost: () => {
      most = underWay;
    },
    revive: async () => {
      server.listen(instance.port, "127.0.0.1");
      await once(server, "listening");
    },
  };
}

/** Instances called `a`, `b`, `c` and so on. */
export function startHttpInstances(count: number): Promise<HttpInstance[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) => startHttpInstance(String.fromCharCode("a".charCodeAt(0) + index))),
  );
}

/** Answers with the instance's id, as a demo instance does, after a while. */
export function answer(id: string, { status = 200, afterMs = 0 } = {}): Behavior {
  return (_request, response) => {
    const end = (): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ instance: id }));
    };
    if (afterMs > 0) setTimeout(end, afterMs);
    else end();
  };
}

/** The instances as peers of a list. */
export function peersOf(instances: readonly HttpInstance[], fields: Partial<Peer> = {}): Peer[] {
  return instances.map(({ id, port }) => peer(id, { port, ...fields }));
}
