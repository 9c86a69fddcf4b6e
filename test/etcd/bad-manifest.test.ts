import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { routectlFor } from "../support/routectl.ts";

let etcd: TestEtcd;
let cli: ReturnType<typeof routectlFor>;

beforeAll(async () => {
  etcd = await startEtcd();
  cli = routectlFor(etcd.url);
  await cli.must("service", "register", "demo", "--id", "demo-1", "--address", "10.0.0.1", "--port", "8080");
});

afterAll(() => etcd?.close());

async function expectRefusal(manifest: string, says: string): Promise<void> {
  const before = await etcd.raw.list();
  const { status, stdout, stderr } = await cli.runWith(manifest, "apply", "-f", "-", "--prune");
  expect({ stderr, stdout }).toEqual({ stderr: expect.stringMatching(/^routectl: [^\n]+\n$/), stdout: "" });
  expect(stderr).toContain(says);
  expect(status).toBeOneOf([1, 2]);
  expect(await etcd.raw.list()).toEqual(before);
}

/** A manifest with one service, whose lines are given; the first is line 3. */
const service = (...lines: string[]): string =>
  ["services:", "  demo:", ...lines.map((line) => `    ${line}`)].join("\n");
const instance = (more: string): string =>
  service("instances:", `  - {id: demo-1, address: 10.0.0.1, port: 80${more}}`);

// More of them, without a process for each, are in test/unit/cli/manifest.test.ts.
describe.concurrent("a file that is not right", () => {
  it.each([
    ["an unknown key at the top", "services: {}\nservcies: {}", '-:2: unknown key "servcies"'],
    ["an unknown key in a service", service("instances: []", "polcy: {}"), '-:4: unknown key "polcy" in services.demo'],
    [
      "an unknown key in an instance",
      instance(", wieght: 5"),
      '-:4: unknown key "wieght" in services.demo.instances[0]',
    ],
    [
      "an unknown key in a policy",
      service("policy:", "  algorithm: best", "  hashon: path"),
      '-:5: services.demo.policy.hashon: unknown key "hashon": did you mean hashOn?',
    ],
    [
      "an unknown key deep in a policy",
      service("policy:", "  algorithm: best", "  timeouts: {connectMs: 5,", "    perTry: 5}"),
      '-:6: services.demo.policy.timeouts.perTry: unknown key "perTry": did you mean perTryMs?',
    ],
    [
      "a regular expression that nginx would read otherwise",
      service("policy:", "  algorithm: best", "  rules:", "    - match: {on: path,", '        regex: "(?i)a"}'),
      "-:7: services.demo.policy.rules[0].match.regex: of the groups",
    ],
    ["__proto__ for a service", "services:\n  __proto__: {}", '-:2: unknown key "__proto__"'],
    ["__proto__ in metadata", instance(", metadata: {__proto__: a}"), '-:4: unknown key "__proto__"'],
    [
      "an id twice",
      `${instance("")}\n      - {id: demo-1, address: 10.0.0.2, port: 80}`,
      "instance demo-1 is there twice",
    ],
    ["consistent-hash without a key", service("policy: {algorithm: consistent-hash}"), "header:x-user-id"],
    ["a syntax error", "services:\n  demo: {\n", "-:"],
    ["nothing in it", "", "services: must be a map from names to services"],
    ["a list", "- a\n- b", "-:1: must be a map with the key services"],
    ["a weight beyond all bounds", instance(", weight: 1e999"), "whole number from 0 to 1000"],
    ["a bad address", service("instances: [{id: a, address: 10.0.0.300, port: 80}]"), "-:3: "],
    [
      "a good service before a bad one",
      `${service("policy: {algorithm: best}")}\n  Other: {}`,
      "-:4: services.Other: must be a name",
    ],
  ])("%s", (_, manifest, says) => expectRefusal(manifest, says));

  it.each(["/nonexistent/services.yaml", "/"])("%s, which can't be read", async (filename) => {
    const { status, stderr } = await cli.run("apply", "-f", filename);
    expect(stderr).toMatch(/^routectl: can't read [^\n]+\n$/);
    expect(status).toBe(2);
  });
});
