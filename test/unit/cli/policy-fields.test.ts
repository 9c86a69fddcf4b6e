import { expect, it } from "vitest";
import { withFields } from "../../../cli/store/policy.ts";
import type { Policy } from "../../../lua/core/types.ts";

const policy: Policy = {
  algorithm: "adaptive",
  hashOn: "path",
  timeouts: { connectMs: 5, perTryMs: 300 },
  sticky: { cookie: "sid" },
};
const change = (fields: Record<string, unknown>, before = policy): Policy =>
  withFields(before, new Map(Object.entries(fields)));

it("changes what is given, and nothing else", () => {
  const before = structuredClone(policy);
  expect(change({ "timeouts.perTryMs": 400, top: 3 })).toEqual({
    ...policy,
    top: 3,
    timeouts: { connectMs: 5, perTryMs: 400 },
  });
  expect(policy).toEqual(before);
});

it("makes the group where there is none", () => {
  expect(change({ "ejection.baseMs": 500, limit: { key: "address" } })).toEqual({
    ...policy,
    ejection: { baseMs: 500 },
    limit: { key: "address" },
  });
});

it("a group's value changes the keys that it has", () => {
  const limited = { ...policy, limit: { key: "address", rate: 5, burst: 1 } };
  expect(change({ limit: { rate: 7 } }, limited).limit).toEqual({ key: "address", rate: 7, burst: 1 });
});

it("takes fields away, and a group with its last", () => {
  expect(change({ "timeouts.perTryMs": undefined }).timeouts).toEqual({ connectMs: 5 });
  const without = change({
    "timeouts.perTryMs": undefined,
    "timeouts.connectMs": undefined,
    "sticky.cookie": undefined,
  });
  expect(Object.keys(without)).toEqual(["algorithm", "hashOn"]);
  expect(Object.keys(change({ timeouts: undefined, limit: undefined, "retries.budgetPercent": undefined }))).toEqual([
    "algorithm",
    "hashOn",
    "sticky",
  ]);
});

it("a hash key goes with consistent-hash, and only then", () => {
  const hashing: Policy = { algorithm: "consistent-hash", hashOn: "path" };
  expect(change({ algorithm: "best" }, hashing)).toEqual({ algorithm: "best" });
  expect(change({ algorithm: "best", hashOn: "path" }, hashing)).toEqual({ algorithm: "best", hashOn: "path" });
  expect(change({ top: 3 }, hashing)).toEqual({ ...hashing, top: 3 });
  expect(change({ algorithm: "best" })).toEqual({ ...policy, algorithm: "best" });
  expect(change({ hashOn: undefined })).not.toHaveProperty("hashOn");
});
