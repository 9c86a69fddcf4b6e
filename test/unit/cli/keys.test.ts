import { describe, expect, it } from "vitest";
import { DEFAULT_PREFIX, keysUnder } from "../../../cli/store/keys.ts";

const keys = keysUnder(DEFAULT_PREFIX);

it("keys are where the documentation says", () => {
  expect(keys.policy("demo")).toBe("/routectl/v1/services/demo/policy");
  expect(keys.instance("demo", "demo-1")).toBe("/routectl/v1/services/demo/instances/demo-1");
  expect(keys.override("demo", "demo-1")).toBe("/routectl/v1/overrides/demo/demo-1");
  expect(keys.history("demo", "0000000000000007-ab")).toBe("/routectl/v1/history/demo/0000000000000007-ab");
  expect(keysUnder("/other").policy("demo")).toBe("/other/services/demo/policy");
});

it("what is built can be read again", () => {
  for (const name of ["demo", "a", "a.b_c-d", "constructor", "9".repeat(64)]) {
    expect(keys.parse(keys.policy(name))).toEqual({ kind: "policy", service: name });
    expect(keys.parse(keys.instance(name, name))).toEqual({ kind: "instance", service: name, id: name });
    expect(keys.parse(keys.override(name, name))).toEqual({ kind: "override", service: name, id: name });
    expect(keys.parse(keys.history(name, name))).toEqual({ kind: "history", service: name, id: name });
  }
  expect(keys.parse(keys.resolved("Orders.example.com"))).toEqual({ kind: "resolved", host: "Orders.example.com" });
  expect(keys.parse(keys.epoch())).toEqual({ kind: "epoch" });
});

describe("a key that is none of ours", () => {
  it.each([
    "",
    "/",
    "/routectl/v1",
    "/routectl/v1/",
    "/routectl/v10/epoch",
    "/routectl/v1/epoch/",
    "/other/services/demo/policy",
    "/routectl/v1/services/demo",
    "/routectl/v1/services/demo/",
    "/routectl/v1/services/demo/policies",
    "/routectl/v1/services/demo/policy/x",
    "/routectl/v1/services/Demo/policy",
    "/routectl/v1/services/__proto__/policy",
    "/routectl/v1/services//policy",
    "/routectl/v1/services/../policy",
    "/routectl/v1/services/demo/instances/",
    "/routectl/v1/services/demo/instances/a/b",
    "/routectl/v1/services/demo/instances/A",
    "/routectl/v1/services/demo/instances/a\n",
    "/routectl/v1/overrides/demo",
    "/routectl/v1/overrides/demo/A",
    "/routectl/v1/overrides/demo/a/b",
    `/routectl/v1/services/${"a".repeat(65)}/policy`,
  ])("%j", (key) => expect(keys.parse(key)).toBeUndefined());
});

it("prefixes of lists hold one service's keys, and no other's", () => {
  expect(keys.instance("demo", "a").startsWith(keys.instances("demo"))).toBe(true);
  expect(keys.instance("demo-2", "a").startsWith(keys.instances("demo"))).toBe(false);
  expect(keys.override("demo-2", "a").startsWith(keys.overrides("demo"))).toBe(false);
  expect(keys.history("demo.x", "a").startsWith(keys.histories("demo"))).toBe(false);
});
