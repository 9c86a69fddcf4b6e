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

/** A manifest with one service, whose lines are given. */
const service = (...lines: string[]): string => ["services:", "  demo:", ...lines.map((line) => `    ${line}`)].join("\n");
const instance = (...lines: string[]): string =>
  service("instances:", "  - id: demo-1", "    address: 10.0.0.1", "    port: 80", ...lines.map((line) => `    ${line}`));

describe.concurrent("a file with an unknown key, which the error names, with its line", () => {
  it.each([
    ["at the top", "services: {}\nservcies: {}", "-:2:", "servcies"],
    ["in a service", service("instances: []", "polcy: {}"), "-:4:", "polcy"],
    ["in an instance", instance("wieght: 5"), "-:7:", "wieght"],
    ["in a policy", service("policy:", "  algorithm: best", "  hashon: path"), "-:5:", "hashon"],
    ["__proto__ at the top", "services: {}\n__proto__: {}", "-:2:", "__proto__"],
    ["__proto__ for a service", "services:\n  __proto__: {}", "-:2:", "__proto__"],
    ["__proto__ in an instance", instance("__proto__: {weight: 5}"), "-:7:", "__proto__"],
    ["__proto__ in metadata", instance("metadata:", "  __proto__: a"), "-:8:", "__proto__"],
    ["constructor in an instance", instance("constructor: {}"), "-:7:", "constructor"],
    ["toString in a policy", service("policy:", "  algorithm: best", "  toString: a"), "-:5:", "toString"],
  ])("%s", async (_, manifest, line, key) => {
    await expectRefusal(manifest, line);
    await expectRefusal(manifest, key);
  });
});

describe.concurrent("a file that is not a manifest", () => {
  it.each([
    ["empty", "", "services"],
    ["only a comment", "# nothing\n", "services"],
    ["null", "null", "services"],
    ["a list", "- a\n- b", "-:1:"],
    ["a text", "services", "-:1:"],
    ["services that are a list", "services: [a]", "services"],
    ["a syntax error", "services:\n  demo: {\n", "-:"],
    ["tabs for indentation", "services:\n\tdemo: {}", "-:2:"],
    ["a key twice", "services:\n  demo: {}\n  demo: {}", "-:3:"],
    ["an alias to nothing", "services: *nothing", "-:1:"],
    ["two documents", "services: {}\n---\nservices: {}", "-:"],
    ["binary", "\u0000\u0001\u0002", "-:1:"],
  ])("%s", (_, manifest, says) => expectRefusal(manifest, says));

  it("aliases that would grow without a bound", () => {
    const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(", ")}]`);
    return expectRefusal(`l0: &l0 [a]\n${levels.join("\n")}\nservices: {}`, "routectl: ");
  });

  it.each(["/nonexistent/services.yaml", "/"])("%s, which can't be read", async (filename) => {
    const { status, stderr } = await cli.run("apply", "-f", filename);
    expect(stderr).toMatch(/^routectl: can't read [^\n]+\n$/);
    expect(status).toBe(2);
  });
});

describe.concurrent("a file with values that can't be right", () => {
  it.each([
    ["a negative weight", instance("weight: -1"), "-:7:"],
    ["a fractional weight", instance("weight: 1.5"), "0 to 1000"],
    ["a weight of NaN", instance("weight: .nan"), "0 to 1000"],
    ["an infinite weight", instance("weight: 1e999"), "0 to 1000"],
    ["a weight above 1000", instance("weight: 1001"), "0 to 1000"],
    ["no weight", instance("weight:"), "0 to 1000"],
    ["a weight in quotes", instance('weight: "5"'), "0 to 1000"],
    ["a bad address", service("instances:", "  - id: a", "    address: 10.0.0.300", "    port: 80"), "-:5:"],
    ["port 70000", service("instances:", "  - {id: a, address: 10.0.0.1, port: 70000}"), "65535"],
    ["port 0", service("instances:", "  - {id: a, address: 10.0.0.1, port: 0}"), "65535"],
    ["no port", service("instances:", "  - {id: a, address: 10.0.0.1}"), "port"],
    ["a service with capitals", "services:\n  Demo: {}", "-:2:"],
    ["an id with a brace", service("instances:", '  - {id: "a{", address: 10.0.0.1, port: 80}'), "-:4:"],
    ["an id twice", instance("weight: 5").concat("\n      - {id: demo-1, address: 10.0.0.2, port: 80}"), "-:8:"],
    ["metadata that is a list", instance("metadata: [a]"), "-:7:"],
    ["metadata with a number", instance("metadata: {zone: 1}"), "-:7:"],
    ["a name that routers would not take", instance(`name: ${"é".repeat(300)}`), "512 bytes"],
    ["consistent-hash without a key", service("policy: {algorithm: consistent-hash}"), "header:x-user-id"],
    ["no algorithm", service("policy: {maxAttempts: 3}"), "algorithm"],
  ])("%s", (_, manifest, says) => expectRefusal(manifest, says));
});
