import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { isName } from "../../lua/core/names.ts";
import type { PublishedSnapshot, Publisher } from "./publisher.ts";
import { type Acknowledgement, acknowledgementSchema, MAX_ROUTERS, type RouterReport } from "./routers.ts";

/** What the HTTP API stands on. */
export interface Api {
  readonly publisher: Publisher;
  etcdConnected(): boolean;
  /** Up to which revision of etcd our lists are, whatever changed none of them included. */
  seenRevision(): number;
  /** A router asks for lists, and says of which epoch those are that it has. */
  onPoll(node: string, epoch: string | undefined): void;
  /** A router named a revision that is newer than ours: we lag, or etcd went back in time. */
  onAhead(node: string, revision: number): void;
  acknowledge(node: string, report: Acknowledgement): boolean;
  routers(): RouterReport[];
  /** How the scores of a service's instances came about. */
  scores(service: string): { coefficients: object | null; instances: object[] };
  metrics(): Promise<string>;
}

/** A router gives up on a poll that is held for longer. */
const MAX_WAIT_MS = 60_000;

/** A report of 4,096 workers has some 400 KiB. */
const MAX_REPORT_BYTES = 1024 * 1024;

const JSON_TYPE = { "content-type": "application/json" };

/** The HTTP API of ipconfig: everything but a router's report only reads. */
export function createServer(api: Api): Hono {
  const app = new Hono();
  const { publisher } = api;

  const whole = (value: string | undefined, otherwise: number): number | undefined =>
    value === undefined ? otherwise : /^\d{1,16}$/.test(value) ? Number(value) : undefined;

  /** The revision that each router has from us. */
  const handedOut = new Map<string, number>();

  /**
   * What is news for a router. Scores depend on when an ipconfig began to look, so two may differ in them at the same
   * revision: a router that comes from another one gets everything from us.
   */
  const handOut = (node: string, epoch: string | undefined, revision: number): PublishedSnapshot | undefined => {
    const stranger = isName(node) && epoch === publisher.epoch && handedOut.get(node) !== revision;
    // We may lag behind what it has: then it must wait for us.
    const caughtUp = api.seenRevision() >= revision;
    const snapshot =
      stranger && caughtUp ? publisher.fullSnapshot(api.seenRevision()) : publisher.snapshotSince(epoch, revision);
    if (snapshot !== undefined && isName(node)) {
      if (handedOut.size > MAX_ROUTERS) handedOut.clear();
      handedOut.set(node, snapshot.revision);
    }
    return snapshot;
  };

  app.get("/v1/snapshot", async (context) => {
    const epoch = context.req.query("epoch");
    const revision = whole(context.req.query("revision"), 0);
    const waitMs = whole(context.req.query("waitMs"), 0);
    if (revision === undefined || waitMs === undefined) {
      return context.json({ error: "usage", message: "revision and waitMs must be whole numbers" }, 400);
    }
    const headers = () => ({ ...JSON_TYPE, "x-routectl-etcd": api.etcdConnected() ? "connected" : "disconnected" });
    if (publisher.epoch === undefined) {
      return context.json({ error: "no-list", message: "etcd holds no services yet, or was not read yet" }, 503);
    }
    const node = context.req.query("router") ?? "";
    if (isName(node)) api.onPoll(node, isName(epoch) ? epoch : undefined);
    if (epoch === publisher.epoch && revision > publisher.revision) api.onAhead(node, revision);
    const deadline = Date.now() + Math.min(waitMs, MAX_WAIT_MS);
    const { signal } = context.req.raw;
    while (true) {
      const snapshot = handOut(node, epoch, revision);
      if (snapshot !== undefined) return context.body(snapshot.body, 200, headers());
      const leftMs = deadline - Date.now();
      if (leftMs <= 0 || signal.aborted) return context.body(null, 304, headers());
      await publisher.waitForNews(leftMs, signal);
    }
  });

  app.get("/v1/services", (context) => {
    const services = [...publisher.lists].map(([name, { json }]) => `${JSON.stringify(name)}:${json}`);
    return context.body(`{${position(publisher)},"services":{${services.join(",")}}}`, 200, JSON_TYPE);
  });

  app.get("/v1/services/:name", (context) => {
    const published = publisher.lists.get(context.req.param("name"));
    if (published === undefined) return context.json({ error: "unknown-service", message: "no such service" }, 404);
    const service = JSON.stringify(context.req.param("name"));
    return context.body(`{"service":${service},${position(publisher)},${published.json.slice(1)}`, 200, JSON_TYPE);
  });

  app.get("/v1/services/:name/scores", (context) => {
    const name = context.req.param("name");
    if (!publisher.lists.has(name)) return context.json({ error: "unknown-service", message: "no such service" }, 404);
    return context.json({ service: name, ...api.scores(name) });
  });

  const limit = bodyLimit({
    maxSize: MAX_REPORT_BYTES,
    onError: (context) => context.json({ error: "too-large", message: "that is too large for a router's report" }, 413),
  });
  app.post("/v1/routers/:node/ack", limit, async (context) => {
    const node = context.req.param("node");
    const report = acknowledgementSchema.safeParse(await context.req.json().catch(() => undefined));
    if (!isName(node) || !report.success) {
      return context.json({ error: "invalid", message: "that is not a router's report" }, 400);
    }
    if (!api.acknowledge(node, report.data)) {
      return context.json({ error: "too-many", message: "too many routers report here" }, 429);
    }
    return context.body(null, 204);
  });

  app.get("/v1/routers", (context) =>
    context.json({ epoch: publisher.epoch ?? null, revision: publisher.revision, routers: api.routers() }),
  );

  app.get("/healthz", (context) => context.text("ok\n"));
  app.get("/readyz", (context) => {
    if (publisher.epoch === undefined) return context.text("no list yet: etcd is empty or was not read\n", 503);
    return context.text(api.etcdConnected() ? "ok\n" : "ok, by the last list: etcd does not answer\n");
  });
  app.get("/metrics", async (context) => context.text(await api.metrics()));
  app.notFound((context) =>
    context.json({ error: "not-found", message: "try /v1/services, /v1/snapshot, /v1/routers, /metrics" }, 404),
  );
  return app;
}

function position(publisher: Publisher): string {
  return `"epoch":${JSON.stringify(publisher.epoch ?? null)},"revision":${publisher.revision}`;
}
