import { Client } from "undici";

/** For a server block of nginx: answers tell the worker and the instance, and connections stay open. */
export const WORKER_LOCATION = `keepalive_requests 1000000000;
keepalive_timeout 1h;
add_header X-Worker $pid always;
add_header X-Peer $upstream_addr always;
location = /-worker { return 200; }`;

const AT_ONCE = 16;
const MOST_ATTEMPTS = 100;
const HOUR_MS = 3_600_000;

/**
 * A connection to each worker of an nginx with `WORKER_LOCATION`. The kernel may hand many new connections to the same
 * worker, so some are opened at a time until every worker has one.
 */
export async function connectToWorkers(url: string, pids: readonly number[]): Promise<Map<number, Client>> {
  const found = new Map<number, Client>();
  const others: Client[] = [];
  const connect = async (): Promise<void> => {
    const client = new Client(url, { keepAliveTimeout: HOUR_MS, keepAliveMaxTimeout: HOUR_MS });
    const { headers, body } = await client.request({ path: "/-worker", method: "GET" });
    await body.dump();
    const pid = Number(headers["x-worker"]);
    if (found.has(pid)) others.push(client);
    else found.set(pid, client);
  };
  for (let attempt = 0; !pids.every((pid) => found.has(pid)); attempt++) {
    if (attempt === MOST_ATTEMPTS) throw new Error("a worker took no connection");
    await Promise.all(Array.from({ length: AT_ONCE }, connect));
  }
  await Promise.all(others.map((client) => client.close()));
  return found;
}
