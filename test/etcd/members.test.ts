import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../cli/stack/ports.ts";
import { startCluster, type TestCluster } from "../support/etcd-cluster.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { type Run, routectl } from "../support/routectl.ts";
import { waitFor } from "../support/wait.ts";

interface Member {
  readonly name: string | null;
  readonly url: string;
  readonly healthy: boolean;
  readonly leader: boolean;
  readonly version: string | null;
  readonly error?: string;
}

let cluster: TestCluster;
let replica: TestReplica;
let nobody: string;

beforeAll(async () => {
  cluster = await startCluster();
  replica = await startTestReplica(Object.values(cluster.urls).join(","));
  nobody = `http://127.0.0.1:${await freePort()}`;
});

afterAll(async () => {
  await replica?.stop();
  await cluster?.close();
});

const status = (etcd: string, ...args: string[]): Promise<Run> =>
  routectl(["status", ...args], {
    env: { ROUTECTL_ETCD: etcd, ROUTECTL_IPCONFIG: replica.url, ROUTECTL_ROUTER: nobody },
  });

const membersOf = async (etcd: string): Promise<Member[]> => {
  const { stdout, ms } = await status(etcd, "-o", "json");
  expect(ms).toBeLessThan(10_000);
  return (JSON.parse(stdout) as { etcd: { members: Member[] } }).etcd.members;
};

// In this order: each goes on with what the one before has left.
describe("etcd's members in routectl status", () => {
  it("all of them are shown, whichever address was given", async () => {
    const [first] = Object.values(cluster.urls);
    for (const given of [first!, Object.values(cluster.urls).join(",")]) {
      const members = await membersOf(given);
      expect(members.map(({ name, url, healthy }) => [name, url, healthy])).toEqual(
        Object.entries(cluster.urls).map(([name, url]) => [name, url, true]),
      );
      expect(members.filter(({ leader }) => leader)).toHaveLength(1);
      expect(members.every(({ version }) => /^3\.\d+\.\d+$/.test(version!))).toBe(true);
    }
  });

  it("the table has a line for each", async () => {
    const { stdout } = await status(cluster.urls["etcd-1"]!);
    for (const [name, url] of Object.entries(cluster.urls)) {
      expect(stdout).toMatch(new RegExp(`^ {2}member ${name} +${url} +ok +(leader, )?version 3`, "m"));
    }
  });

  it("an address that is none of theirs is shown as such", async () => {
    const members = await membersOf(`${nobody},${cluster.urls["etcd-1"]}`);
    expect(members.map(({ name, healthy }) => [name, healthy])).toEqual([
      ["etcd-1", true],
      ["etcd-2", true],
      ["etcd-3", true],
      [null, false],
    ]);
    expect(members.at(-1)!.error).toContain(`etcd at ${nobody} does not answer`);
  });

  it("one that is dead: the others are healthy, and the exit code is 3", async () => {
    await cluster.kill("etcd-3");
    // If it was the leader, there is no quorum until the others have elected another one.
    let code: number | null = 0;
    await waitFor("a quorum of two", async () => {
      const run = await status(Object.values(cluster.urls).join(","), "-o", "json");
      code = run.status;
      const { etcd } = JSON.parse(run.stdout) as { etcd: { reachable: boolean; members: Member[] } };
      const healthy = etcd.members.map(({ name, healthy }) => `${name} ${healthy}`).join(", ");
      return etcd.reachable && healthy === "etcd-1 true, etcd-2 true, etcd-3 false";
    });
    expect(code).toBe(3);
  });

  it("without a quorum the one that is left answers, but is not healthy", async () => {
    cluster.pause("etcd-2");
    const members = await membersOf(cluster.urls["etcd-1"]!);
    expect(members.map(({ name, healthy }) => [name, healthy])).toEqual([
      ["etcd-1", false],
      ["etcd-2", false],
      ["etcd-3", false],
    ]);
    expect(members[0]!.version).not.toBeNull();
    expect(members[1]!.version).toBeNull();
  });
});
