import { Hono } from "hono";
import { listen } from "../listen.ts";
import type { Exporter } from "./exporter.ts";

/** Serves an exporter's samples to Prometheus. */
export function serveExporterMetrics(exporter: Exporter, host: string, port: number) {
  const app = new Hono();
  app.get("/metrics", async (context) => context.text(await exporter.metrics.registry.metrics()));
  app.get("/healthz", (context) => context.text("ok\n"));
  app.notFound((context) => context.json({ error: "not-found", message: "try /metrics or /healthz" }, 404));
  return listen(app, host, port);
}
