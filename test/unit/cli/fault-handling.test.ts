import { setTimeout as delay } from "node:timers/promises";
import { GRPCUnavailableError } from "etcd3";
import { expect, test } from "vitest";
import { faultHandling } from "../../../cli/store/fault-handling.ts";

/** How often, and for how long, etcd is asked. */
const BUDGET_MS = 400;

type Answer = (attempt: number) => unknown;

/** @param answers what each attempt does; the last of them as often as it is asked */
const outcomeOf = async (members: number, answers: readonly Answer[]) => {
  const startedAt = performance.now();
  let asked = 0;
  const { global } = faultHandling(members, BUDGET_MS);
  const outcome = await global!
    .execute(async () => answers[Math.min(asked++, answers.length - 1)]!(asked))
    .catch((error: Error) => `${error}`);
  const ms = performance.now() - startedAt;
  // Nothing may be asked any more that nobody waits for.
  await delay(BUDGET_MS);
  return { outcome, asked, ms };
};

const answers: Answer = () => "an answer";
const refuses: Answer = (attempt) => {
  throw new GRPCUnavailableError(`connection refused, attempt ${attempt}`);
};
const hangs: Answer = () => new Promise(() => undefined);

test("the first answer is taken", async () => {
  expect(await outcomeOf(3, [answers])).toMatchObject({ outcome: "an answer", asked: 1 });
});

test("a member that hangs is given up when the time is over", async () => {
  const { outcome, asked, ms } = await outcomeOf(1, [hangs]);
  expect([outcome, asked]).toEqual(["Error: no answer within 400 ms", 1]);
  expect(ms).toBeGreaterThanOrEqual(BUDGET_MS - 1);
});

test("another member is asked beside one that hangs, each of them in time", async () => {
  expect(await outcomeOf(3, [hangs, answers])).toMatchObject({ outcome: "an answer", asked: 2 });
  expect(await outcomeOf(3, [hangs, hangs, answers])).toMatchObject({ outcome: "an answer", asked: 3 });
  expect((await outcomeOf(3, [hangs])).asked).toBe(3);
});

test("the answer of a slow member counts, whatever the others say", async () => {
  const slow: Answer = () => delay(0.75 * BUDGET_MS, "a slow answer");
  expect(await outcomeOf(3, [slow, hangs])).toMatchObject({ outcome: "a slow answer" });
  expect(await outcomeOf(3, [slow, refuses])).toMatchObject({ outcome: "a slow answer" });
});

test("another one is asked when a member has failed, a single one once more", async () => {
  expect(await outcomeOf(2, [refuses, answers])).toMatchObject({ outcome: "an answer", asked: 2 });
  expect(await outcomeOf(1, [refuses, answers])).toMatchObject({ outcome: "an answer", asked: 2 });
  const { outcome, asked, ms } = await outcomeOf(1, [refuses]);
  expect([outcome, asked]).toEqual(["Error: connection refused, attempt 2", 2]);
  expect(ms).toBeLessThan(BUDGET_MS);
});

test("what asking again does not mend is thrown at once", async () => {
  const refusal: Answer = () => {
    throw new Error("etcdserver: permission denied");
  };
  const { outcome, asked, ms } = await outcomeOf(3, [refusal]);
  expect([outcome, asked]).toEqual(["Error: etcdserver: permission denied", 1]);
  expect(ms).toBeLessThan(BUDGET_MS / 2);
});
