import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../cli/stack/ports.ts";
import { spawnEtcd } from "./etcd.ts";
import { rawEtcd } from "./raw-etcd.ts";
import { waitFor } from "./wait.ts";

/** Three real members of one etcd: loopback ports, a data directory that goes with them. */
export interface TestCluster {
  /** By name: etcd-1, etcd-2, etcd-3. */
  readonly urls: Readonly<Record<string, string>>;
  kill(name: string): Promise<void>;
  /** It is there and takes connections, but does nothing. */
  pause(name: string): void;
  /** Ends all of them and removes everything. */
  close(): Promise<void>;
}

export async function startCluster(): Promise<TestCluster> {
  const directory = await mkdtemp(join(tmpdir(), "routectl-cluster-"));
  const members = await Promise.all(
    [1, 2, 3].map(async (number) => {
      const [client, peer] = await Promise.all([freePort(), freePort()]);
      return { name: `etcd-${number}`, client: `http://127.0.0.1:${client}`, peer: `http://127.0.0.1:${peer}` };
    }),
  );
  const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join(",");
  const children = new Map<string, ChildProcess>();
  for (const { name, client, peer } of members) {
    const args = [
      ...["--name", name, "--data-dir", join(directory, name), "--initial-cluster", cluster],
      ...["--listen-client-urls", client, "--advertise-client-urls", client],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      ...["--logger", "zap", "--log-level", "error"],
    ];
    children.set(name, spawnEtcd(args));
  }
  const kill = async (name: string): Promise<void> => {
    const child = children.get(name)!;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  };
  const close = async (): Promise<void> => {
    await Promise.all([...children.keys()].map(kill));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await Promise.all(
      members.map(({ name, client }) => waitFor(`${name} to answer`, () => rawEtcd(client).isHealthy())),
    );
  } catch (error) {
    await close();
    throw error;
  }
  return {
    urls: Object.fromEntries(members.map(({ name, client }) => [name, client])),
    kill,
    pause: (name) => void children.get(name)!.kill("SIGSTOP"),
    close,
  };
}
