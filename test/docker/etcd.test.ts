import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import type { Run } from "./support/command.ts";
import { TAG } from "./support/images.ts";
import { type Recording, startRecording } from "./support/recorder.ts";
import { figure, type System, startSystem } from "./support/system.ts";
import { inTurn } from "./support/turns.ts";
import { describeFailures, expectSound, failuresOf, seconds, summaryOf } from "./support/validators.ts";

const { skipped } = inject("docker");
const MEMBERS = ["etcd-1", "etcd-2", "etcd-3"];
const UNREACHABLE = 3;
const COMMANDS = 5;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

describe.skipIf(skipped !== undefined)("faults of etcd", () => {
  let system: System;
  let recording: Recording;
  beforeAll(async () => {
    system = await startSystem("etcd");
  });
  afterAll(async () => {
    await system?.close();
  });
  beforeEach(async () => {
    await system.settled();
    recording = await startRecording(system);
  });
  afterEach(async () => {
    await recording?.stop();
  });

  const judge = async (row: string, text: string): Promise<void> => {
    await recording.stop();
    await figure(row, `${summaryOf(recording.outcomes)}; ${text}`);
    expect(describeFailures(failuresOf(recording.outcomes))).toEqual({});
    expectSound(recording);
  };

  const isHealthy = async (member: string): Promise<boolean> =>
    (await system.exec(member, ["etcdctl", "--command-timeout=2s", "endpoint", "health"])).status === 0;

  const allHealthy = (): Promise<unknown> =>
    Promise.all(MEMBERS.map((member) => waitFor(`${member} to be healthy`, () => isHealthy(member), 30_000)));

  const leader = async (): Promise<string> => {
    for (const member of MEMBERS) {
      const { stdout } = await system.exec(member, ["etcdctl", "endpoint", "status"]);
      if (stdout.split(", ")[4] === "true") return member;
    }
    throw new Error("etcd has no leader");
  };

  const applied = (weight: number, since: number): Promise<number> =>
    Promise.all(
      system.routers.map(({ name }) =>
        recording.seen(
          `weight ${weight} of demo-1 in ${name}`,
          (sample) => sample.router === name && sample.weights["demo-1"] === weight,
          since,
        ),
      ),
    ).then((times) => Math.max(...times));

  test("the leader killed: writes are back within three seconds", async () => {
    const victim = await leader();
    await system.on(victim, "kill");
    const killedAt = performance.now();
    let writtenAt = 0;
    await waitFor("a write", async () => {
      writtenAt = performance.now();
      return (await system.routectl("weight", "set", "demo", "demo-1=50")).status === 0;
    });
    writtenAt = performance.now();
    const appliedAt = await applied(50, killedAt);
    await system.on(victim, "start");
    await system.must("weight", "clear", "demo");
    await allHealthy();
    await judge(
      "etcd leader killed",
      `a write came through after ${seconds(writtenAt - killedAt)}, in force after ${seconds(appliedAt - killedAt)}`,
    );
    // The election itself takes 1 to 2 s.
    expect(writtenAt - killedAt).toBeLessThan(2000 + 3000);
  });

  test("quorum lost for a minute: routectl says so within two seconds, and the list stays", async () => {
    for (const member of ["etcd-2", "etcd-3"]) await system.on(member, "kill");
    const lostAt = performance.now();
    await delay(3000);
    const refused: Record<string, Run[]> = { write: [], read: [], status: [] };
    await inTurn(async () => {
      for (let i = 0; i < COMMANDS; i++) {
        refused.write!.push(await system.routectl("weight", "set", "demo", "demo-1=40"));
        refused.read!.push(await system.routectl("service", "list"));
        refused.status!.push(await system.routectl("status"));
      }
    });
    await delay(Math.max(0, lostAt + 60_000 - performance.now()));
    const before = recording.samples.filter(({ at }) => at > lostAt);
    for (const member of ["etcd-2", "etcd-3"]) await system.on(member, "start");
    await allHealthy();
    const backAt = performance.now();
    await system.must("weight", "set", "demo", "demo-1=40");
    const appliedAt = await applied(40, backAt);
    await system.must("weight", "clear", "demo");
    const times = Object.entries(refused).map(([what, runs]) => {
      const ms = runs.map((run) => run.ms);
      return `${seconds(median(ms))} (${what}, longest of ${ms.length} ${seconds(Math.max(...ms))})`;
    });
    await judge(
      "etcd without a quorum for a minute",
      `routectl exits within ${times.join(", ")}; a write is in force ${seconds(appliedAt - backAt)} after the quorum is back`,
    );
    expect(before.filter(({ mode }) => mode !== "normal")).toEqual([]);
    for (const runs of Object.values(refused)) {
      expect(runs.filter(({ status }) => status !== UNREACHABLE)).toEqual([]);
      expect(median(runs.map(({ ms }) => ms))).toBeLessThan(2000);
    }
    expect(appliedAt - backAt).toBeLessThan(3000);
  });

  test("compaction while the ipconfigs are cut off: no update is lost", async () => {
    const cut = ["-A OUTPUT -p tcp --dport 2379 -j DROP", "-A INPUT -p tcp --sport 2379 -j DROP"];
    for (const service of ["ipconfig-1", "ipconfig-2"]) await system.iptables(service, ...cut);
    let revision = 0;
    for (const weight of [90, 70, 35]) {
      const written = await system.json<{ revision: number }>("weight", "set", "demo", `demo-1=${weight}`);
      revision = written.revision;
    }
    const { status, stderr } = await system.exec("etcd-1", ["etcdctl", "compact", "--physical", `${revision}`]);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    for (const service of ["ipconfig-1", "ipconfig-2"]) await system.iptables(service, "-F OUTPUT", "-F INPUT");
    const releasedAt = performance.now();
    const appliedAt = await applied(35, releasedAt);
    await system.must("weight", "clear", "demo");
    await judge(
      "compaction while ipconfig is cut off",
      `the last update is in force ${seconds(appliedAt - releasedAt)} after release`,
    );
  });

  test("all of etcd wiped and restored from a snapshot: the new epoch is adopted within five seconds", async () => {
    const epochBefore = recording.samples.at(-1)!.epoch;
    const saveTo = "/var/lib/etcd-data/backup.db";
    const saved = await system.exec("etcd-1", ["etcdctl", "snapshot", "save", saveTo]);
    expect(saved.status).toBe(0);
    const backup = `${await system.idOf("etcd-1")}:${saveTo}`;
    // Written after the backup, and therefore lost with it.
    await system.must("weight", "set", "demo", "demo-1=10");
    await Promise.all(MEMBERS.map((member) => system.on(member, "kill")));
    const directory = await mkdtemp(join(tmpdir(), "routectl-backup-"));
    const file = join(directory, "backup.db");
    await system.docker("cp", backup, file);
    for (const member of MEMBERS) {
      const cluster = MEMBERS.map((name) => `${name}=http://${name}:2380`).join(",");
      const restore = `rm -rf /var/lib/etcd-data/data && etcdctl snapshot restore /restore.db --name ${member} --initial-cluster ${cluster} --initial-cluster-token restored --initial-advertise-peer-urls http://${member}:2380 --data-dir /var/lib/etcd-data/data && chown -R 10002 /var/lib/etcd-data`;
      const volumes = ["--volumes-from", await system.idOf(member), "-v", `${file}:/restore.db:ro`];
      await system.docker("run", "--rm", "-u", "0", ...volumes, `routectl-etcd:${TAG}`, "sh", "-c", restore);
    }
    await rm(directory, { recursive: true });
    for (const member of MEMBERS) await system.on(member, "start");
    await allHealthy();
    const backAt = performance.now();
    const adoptedAt = Math.max(
      ...(await Promise.all(
        system.routers.map(({ name }) =>
          recording.seen(
            `another epoch in ${name}`,
            ({ router, workers }) =>
              router === name && workers.length > 0 && workers.every(({ epoch }) => epoch !== epochBefore),
            0,
            30_000,
          ),
        ),
      )),
    );
    await delay(2000);
    const last = recording.samples.at(-1)!;
    await judge(
      "etcd wiped and restored from a snapshot",
      `the new epoch is in force ${seconds(Math.max(0, adoptedAt - backAt))} after etcd is back`,
    );
    expect(adoptedAt - backAt).toBeLessThan(5000);
    expect(last.mode).toBe("normal");
    expect(last.weights["demo-1"]).toBeGreaterThan(10);
  });

  test("an override ends on time though ipconfig, exporter and CLI are dead", async () => {
    const all = ["ipconfig-1", "ipconfig-2", "exporter-1", "exporter-2"];
    const writtenAt = performance.now();
    await system.must("weight", "set", "demo", "demo-1=0", "--ttl", "15s", "--wait");
    for (const service of [...all, "routectl"]) await system.on(service, "kill");
    // In fallback the router's own clock ends it.
    const endedAt = Math.max(
      ...(await Promise.all(
        system.routers.map(({ name }) =>
          recording.seen(
            `the end of the override in ${name}`,
            ({ router, mode, weights }) => router === name && mode === "fallback" && weights["demo-1"]! > 0,
            writtenAt,
            40_000,
          ),
        ),
      )),
    );
    for (const service of [...all, "routectl"]) await system.on(service, "start");
    await system.settled();
    const overrides = await system.json<unknown[]>("weight", "list", "demo");
    await judge(
      "override with a TTL, everything dead",
      `ended ${seconds(endedAt - writtenAt)} after it was written for 15 s; etcd has ${JSON.stringify(overrides).includes("demo-1") ? "kept" : "ended"} it`,
    );
    expect(JSON.stringify(overrides)).not.toContain("demo-1");
    expect(endedAt - writtenAt).toBeGreaterThan(13_000);
    expect(endedAt - writtenAt).toBeLessThan(20_000);
  });
});
