import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestStack, type TestStack } from "../support/stack.ts";
import { sendRequests } from "../support/traffic.ts";
import { waitFor } from "../support/wait.ts";

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.close());

test("the admin API only reads", async () => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    expect((await fetch(`${stack.admin}/v1/services/demo`, { method })).status).toBe(405);
  }
});

test.each([
  ["/", 404],
  ["/v1/services/nothing", 404],
  ["/v1/services/__proto__", 404],
  ["/v1/services/demo%0a", 404],
  ["/v1/services/demo/explain", 400],
  ["/v1/services/demo/explain?key=", 200],
  ["/v1/services/demo", 200],
  ["/v1/status", 200],
])("GET %s answers %i with JSON", async (path, status) => {
  const response = await fetch(`${stack.admin}${path}`);
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/json");
  await response.json();
});

test("routectl explains the longest key that it takes", async () => {
  const { key } = await stack.json<{ key: string }>("explain", "demo", "--key", "k".repeat(8000));
  expect(key).toBe("k".repeat(8000));
});

test("it listens on loopback alone", async () => {
  for (const url of [stack.admin, stack.router, stack.ipconfig, stack.etcd]) {
    expect(new URL(url).hostname).toBe("127.0.0.1");
  }
});

test("the metrics count every request once, by peer and by status, and let go of peers that are gone", async () => {
  await sendRequests(stack.router, 200);
  await sendRequests(stack.router, 30, { path: "/demo/?status=404" });
  const page = async (): Promise<string> => (await fetch(`${stack.admin}/metrics`)).text();
  const sum = (text: string, pattern: RegExp): number =>
    [...text.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
  await waitFor("all requests to be counted", async () => {
    const text = await page();
    return (
      sum(text, /^routectl_peer_selections_total\{[^}]*\} (\d+)$/gm) === 230 &&
      sum(text, /^routectl_upstream_responses_total\{[^}]*code="200"\} (\d+)$/gm) === 200 &&
      sum(text, /^routectl_upstream_responses_total\{[^}]*code="404"\} (\d+)$/gm) === 30 &&
      sum(text, /^routectl_upstream_response_duration_seconds_count\{[^}]*\} (\d+)$/gm) === 230
    );
  });
  const text = await page();
  const names = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
  for (const name of [
    "build_info",
    "service_mode",
    "service_members",
    "service_members_healthy",
    "peer_weight",
    "peer_state",
  ]) {
    expect(names).toContain(`routectl_${name}`);
  }
  // Every metric's lines stand together, and every line is one of the exposition format's.
  for (const line of text.trimEnd().split("\n")) {
    expect(line).toMatch(/^(# TYPE routectl_\w+ \w+|routectl_\w+(\{(\w+="[^"\\]*",?)+\})? [0-9.e+-]+)$/);
  }
  expect(text).not.toMatch(/\binstance=/);

  await stack.run("service", "deregister", "demo", "demo-3", "--wait");
  expect(await page()).not.toContain('peer="demo-3"');
});

test("a POST that an instance has received is not sent again when the instance dies", async () => {
  const slow = fetch(`${stack.router}/demo/?delayMs=30000`, { method: "POST", body: "once" });
  const { peers } = await stack.json<{ peers: { id: string }[] }>("peers", "demo");
  await waitFor("the request to be under way", async () => (await connections()) > 0);
  for (const { id } of peers) process.kill(stack.pidOf(id), "SIGKILL");
  expect((await slow).status).toBe(502);
});

/** Requests that were sent to an instance and are not answered yet. */
async function connections(): Promise<number> {
  const page = await (await fetch(`${stack.admin}/metrics`)).text();
  const count = (name: string): number =>
    [...page.matchAll(new RegExp(`^routectl_${name}\\{[^}]*\\} (\\d+)$`, "gm"))].reduce(
      (sum, [, v]) => sum + Number(v),
      0,
    );
  return count("peer_selections_total") - count("upstream_responses_total");
}
