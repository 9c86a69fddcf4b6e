import { afterAll, beforeAll, expect, it } from "vitest";
import { commitInRequests } from "../../cli/exporter/requests.ts";
import type { Operation } from "../../cli/store/etcd.ts";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { type Writes, writesTo } from "../support/writes.ts";

let etcd: TestEtcd;
let writes: Writes;

beforeAll(async () => {
  etcd = await startEtcd();
  writes = writesTo(etcd.url);
});
afterAll(async () => {
  writes?.close();
  await etcd?.close();
});

const alive = [{ key: "/alive", modRevision: 0 }];
const put = (key: string, bytes: number): Operation => ({ put: key, value: "x".repeat(bytes) });
const keysOf = (operations: readonly Operation[]) =>
  operations.map((operation) => ("put" in operation ? operation.put : operation.delete));

/** Carries them out. @returns what became of them */
async function commit(operations: readonly Operation[]) {
  const [written, refused, reasons]: string[][] = [[], [], []];
  const holds = await commitInRequests(writes.store, alive, operations, {
    onWritten: (some) => written!.push(...keysOf(some)),
    onRefused: (some, { message }) => {
      refused!.push(...keysOf(some));
      reasons!.push(message);
    },
  });
  return { holds, written, refused, reasons };
}

it.each([
  ["etcd's limit", 1_600_000],
  ["gRPC's limit", 2_500_000],
])("a value above %s keeps nothing else back", async (_, bytes) => {
  await etcd.raw.deleteAll();
  const outcome = await commit([put("/s/a", 10), put("/s/large", bytes), put("/s/b", 10), put("/s/c", 999_999)]);
  expect(outcome).toEqual({
    holds: true,
    written: ["/s/a", "/s/b", "/s/c"],
    refused: ["/s/large"],
    reasons: [`etcd at ${etcd.url} refused: the request is larger than its --max-request-bytes`],
  });
  expect((await etcd.raw.list("/s/")).map(({ key }) => key)).toEqual(["/s/a", "/s/b", "/s/c"]);
});

it("where an expectation does not hold nothing is written", async () => {
  await etcd.raw.deleteAll();
  await etcd.raw.put("/alive", "another one");
  expect(await commit([put("/s/a", 10), put("/s/b", 1_200_000)])).toMatchObject({ holds: false, written: [] });
  expect(await etcd.raw.list("/s/")).toEqual([]);
});

it("where etcd does not answer, it is not asked again for each request", async () => {
  await etcd.raw.deleteAll();
  etcd.pause();
  const started = performance.now();
  await expect(commit([put("/s/a", 900_000), put("/s/b", 900_000), put("/s/c", 900_000)])).rejects.toThrow(/answer/);
  expect(performance.now() - started).toBeLessThan(2500);
  etcd.resume();
});
