import { GRPCUnavailableError } from "etcd3";
import { expect, test } from "vitest";
import { faultHandling } from "../../../cli/store/fault-handling.ts";

/** How often, and for how long, etcd is asked. */
const BUDGET_MS = 400;

const outcomeOf = async (members: number, ask: () => Promise<unknown>) => {
  const startedAt = performance.now();
  const { global } = faultHandling(members, BUDGET_MS);
  const outcome = await global!.execute(ask).catch((error: Error) => error);
  return { outcome, ms: performance.now() - startedAt };
};

test("a call that never ends is given up when its time is over", async () => {
  const { outcome, ms } = await outcomeOf(3, () => new Promise(() => undefined));
  expect(String(outcome)).toContain("no answer within 400 ms");
  expect(ms).toBeGreaterThanOrEqual(BUDGET_MS - 1);
});

test("a member that is away is asked again, and another one's answer is taken", async () => {
  let asked = 0;
  const { outcome } = await outcomeOf(2, async () => {
    asked++;
    if (asked === 1) throw new GRPCUnavailableError("connection refused");
    return "an answer";
  });
  expect([outcome, asked]).toEqual(["an answer", 2]);
});

test("what asking again does not mend is thrown at once", async () => {
  let asked = 0;
  const { outcome, ms } = await outcomeOf(3, async () => {
    asked++;
    throw new Error("etcdserver: permission denied");
  });
  expect([String(outcome), asked]).toEqual(["Error: etcdserver: permission denied", 1]);
  expect(ms).toBeLessThan(BUDGET_MS);
});
