import { describe, expect, it } from "vitest";
import { RoutectlError } from "../../../cli/errors.ts";
import { parseManifest } from "../../../cli/store/manifest.ts";

const refusal = (text: string): string => {
  try {
    parseManifest(text, "services.yaml");
  } catch (error) {
    expect(error).toBeInstanceOf(RoutectlError);
    expect(error).toMatchObject({ code: "usage", exitCode: 2 });
    const { message } = error as Error;
    expect(message).not.toContain("\n");
    return message;
  }
  throw new Error("it was not refused");
};

/** A manifest with one service, whose lines are given; the first is line 3. */
const service = (...lines: string[]): string =>
  ["services:", "  demo:", ...lines.map((line) => `    ${line}`)].join("\n");
/** The same with one instance; the first line is line 7. */
const instance = (...lines: string[]): string =>
  service(
    "instances:",
    "  - id: demo-1",
    "    address: 10.0.0.1",
    "    port: 80",
    ...lines.map((line) => `    ${line}`),
  );

/** The same with a policy; the first line is line 5. */
const policy = (...lines: string[]): string =>
  service("policy:", "  algorithm: best", ...lines.map((line) => `  ${line}`));
/** The same with rules; the first line is line 6. */
const rules = (...lines: string[]): string => policy("rules:", ...lines.map((line) => `  ${line}`));

it("what is not given gets its default", () => {
  const { services } = parseManifest(instance(), "services.yaml");
  const [demo] = services.get("demo")!.instances;
  expect(demo).toEqual({ id: "demo-1", name: "demo-1", address: "10.0.0.1", port: 80, weight: 100, metadata: {} });
  expect(parseManifest("services: {demo: {}}", "x").services.get("demo")).toEqual({ policy: undefined, instances: [] });
  expect(parseManifest("services: {}", "x").services.size).toBe(0);
});

it("JSON is YAML", () => {
  const json = JSON.stringify({ services: { demo: { policy: { algorithm: "best" } } } });
  expect(parseManifest(json, "x").services.get("demo")?.policy).toEqual({ algorithm: "best" });
});

it("anchors and aliases are followed", () => {
  const text = "services:\n  a: &a {policy: {algorithm: best}}\n  b: *a\n";
  expect(parseManifest(text, "x").services.get("b")?.policy).toEqual({ algorithm: "best" });
});

describe("an error names what is wrong, and its line", () => {
  it.each([
    ["services: {}\nservcies: {}", 2, 'unknown key "servcies"'],
    [service("polcy: {}"), 3, 'unknown key "polcy" in services.demo'],
    [instance("wieght: 5"), 7, 'unknown key "wieght" in services.demo.instances[0]'],
    [service("policy:", "  algorithm: best", "  hashon: path"), 5, 'unknown key "hashon"'],
    [service("policy:", "  algorithm: best", "  toString: a"), 5, 'unknown key "toString"'],
    [instance("constructor: {}"), 7, 'unknown key "constructor"'],
    ["__proto__: {}\nservices: {}", 1, 'unknown key "__proto__"'],
    ["services:\n  __proto__: {}", 2, 'unknown key "__proto__"'],
    [instance("__proto__: {weight: 5}"), 7, 'unknown key "__proto__"'],
    [instance("metadata:", "  __proto__: a"), 8, 'unknown key "__proto__"'],
    [instance('metadata: {"__proto__": a}'), 7, 'unknown key "__proto__"'],
    [instance("weight: -1"), 7, "services.demo.instances[0].weight: must be a whole number from 0 to 1000"],
    [instance("weight: 1.5"), 7, "whole number from 0 to 1000"],
    [instance("weight: .nan"), 7, "whole number from 0 to 1000"],
    [instance("weight: 1e999"), 7, "whole number from 0 to 1000"],
    [instance("weight: 1001"), 7, "whole number from 0 to 1000"],
    [instance("weight:"), 7, "whole number from 0 to 1000"],
    [instance('weight: "5"'), 7, "whole number from 0 to 1000"],
    [instance("metadata: [a]"), 7, "metadata: must be an object"],
    [instance("metadata: {zone: 1}"), 7, "metadata.zone: must be a text"],
    [instance("metadata: {a b: x}"), 7, '"a b" is not a metadata key'],
    [
      instance("metadata:", "  zone: a", '  statusPort: "92OO"'),
      9,
      "services.demo.instances[0].metadata.statusPort: must be a whole number from 1 to 65535",
    ],
    [instance('metadata: {statusPort: ""}'), 7, "metadata.statusPort: must be a whole number from 1 to 65535"],
    [instance(`name: ${"é".repeat(300)}`), 7, "512 bytes"],
    [
      service("instances:", "  - id: a", "    address: 10.0.0.300", "    port: 80"),
      5,
      "IPv4 or IPv6 address or a DNS name",
    ],
    [
      service("instances:", "  - {id: a, address: 10.0.0.1, port: 70000}"),
      4,
      "port: must be a whole number from 1 to 65535",
    ],
    [
      service("instances:", "  - {id: a, address: 10.0.0.1, port: 0}"),
      4,
      "port: must be a whole number from 1 to 65535",
    ],
    [service("instances:", "  - {id: a, address: 10.0.0.1}"), 4, "port: must be a whole number"],
    [service("instances:", '  - {id: "a{", address: 10.0.0.1, port: 80}'), 4, "id: must be a name"],
    [service("instances:", "  - {id: 1, address: 10.0.0.1, port: 80}"), 4, "id: must be a text: put it in quotes"],
    [service("instances:", "  - {address: 10.0.0.1, port: 80}"), 4, "instances[0].id: is missing"],
    [service("instances:", "  - {id: a, address: 10, port: 80}"), 4, "address: must be a text: put it in quotes"],
    [service("instances:", "  - {id: a, port: 80}"), 4, "address: is missing"],
    [instance("name: 1.0"), 7, "name: must be a text: put it in quotes"],
    [instance().concat("\n      - {id: demo-1, address: 10.0.0.2, port: 80}"), 7, "instance demo-1 is there twice"],
    [service("instances: {a: b}"), 3, "services.demo.instances: must be a list"],
    [service("policy: {algorithm: consistent-hash}"), 3, "header:x-user-id"],
    [service("policy: {algorithm: fastest}"), 3, "policy.algorithm: must be one of"],
    [service("policy: {maxAttempts: 3}"), 3, "policy.algorithm: must be one of"],
    [policy("hashon: path"), 5, 'policy.hashon: unknown key "hashon": did you mean hashOn?'],
    [policy("colour: red"), 5, 'policy.colour: unknown key "colour" (known: algorithm, hashOn,'],
    [
      policy("timeouts:", "  connectMs: 5", "  pertryMs: 300"),
      7,
      'services.demo.policy.timeouts.pertryMs: unknown key "pertryMs": did you mean perTryMs?',
    ],
    [
      policy("timeouts:", "  connectMs: 0"),
      6,
      "services.demo.policy.timeouts.connectMs: must be a whole number from 1",
    ],
    [policy("timeouts: 5s"), 5, "services.demo.policy.timeouts: must be an object"],
    [policy("retries: {nonIdempotent: on-error}"), 5, "policy.retries.nonIdempotent: must be true or false"],
    [policy("ejection:", "  baseMs: 1"), 6, "services.demo.policy.ejection.baseMs: must be a whole number from 100"],
    [policy("limit:", "  key: address", "  rate: many", "  burst: 1"), 7, "policy.limit.rate: must be a number"],
    [policy("limit:", "  rate: 1", "  burst: 1"), 5, "policy.limit.key: is missing"],
    [policy("sticky: {cookie: a-b}"), 5, "policy.sticky.cookie: must be a cookie's name"],
    [
      rules("- percent: 5", "  subset: {version: v2}", "- percent: 101", "  subset: {version: v3}"),
      8,
      "rules[1].percent",
    ],
    [
      rules("- subset: {version: v2}", "  match:", "    on: header:x", '    regex: "(?=a)"'),
      9,
      "services.demo.policy.rules[0].match.regex: of the groups with ? only (?:...) is allowed",
    ],
    [
      rules("- percent: 5", "  match: {on: path}", "  subset: {a: b}"),
      7,
      "rules[0].match: needs exactly one of equals",
    ],
    [rules("- percent: 5", "  subset:", "    version: v2", "    x.y: 5"), 9, "rules[0].subset.x.y: must be a text"],
    [rules("- percent: 5", "  subsett: {a: b}"), 7, 'rules[0].subsett: unknown key "subsett": did you mean subset?'],
    [
      rules("- percent: 60", "  subset: {a: b}", "- percent: 60", "  subset: {a: c}"),
      5,
      "policy.rules: the percentages",
    ],
    ["services:\n  Demo: {}", 2, "must be a name"],
    ["services:\n  demo:\n", 2, "services.demo: must be a map with the keys policy and instances"],
    ["services: [a]", 1, "services: must be a map from names to services"],
    ["services:\n  demo: {}\n  demo: {}", 3, "unique"],
    ["services:\n\tdemo: {}", 2, "Tabs are not allowed"],
    ["services: {}\n---\nservices: {}", 2, "one document only"],
    ["- a\n- b", 1, "must be a map with the key services"],
    ["services", 1, "must be a map with the key services"],
    ["", 1, "services: must be a map from names to services"],
    ["# nothing\n", 1, "services: must be a map from names to services"],
  ])("%j", (text, line, says) => {
    const message = refusal(text);
    expect(message).toContain(`services.yaml:${line}: `);
    expect(message).toContain(says);
  });

  it.each(["0", "65536", "92.5", "0x2390", "09200", " 9200", "http"])("a status port that is none: %j", (text) =>
    expect(refusal(instance(`metadata: {statusPort: "${text}"}`))).toContain(
      "metadata.statusPort: must be a whole number",
    ));

  it.each([
    ["an alias to nothing", "services: *nothing", "alias"],
    ["a map that does not end", "services:\n  demo: {\n", "services.yaml:"],
    ["control characters", "\u0000\u0001", "services.yaml:"],
  ])("%s", (_, text, says) => expect(refusal(text)).toContain(says));

  it("aliases that would grow without a bound", () => {
    const levels = Array.from(
      { length: 12 },
      (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(", ")}]`,
    );
    expect(refusal(`l0: &l0 [a]\n${levels.join("\n")}\nservices: {}`)).toContain("alias");
  });
});
