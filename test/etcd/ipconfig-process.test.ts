import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { MAIN } from "../support/routectl.ts";
import { waitFor } from "../support/wait.ts";
import { writesTo } from "../support/writes.ts";

let etcd: TestEtcd;

beforeAll(async () => {
  etcd = await startEtcd();
  const writes = writesTo(etcd.url);
  await writes.register("demo", { id: "demo-1" });
  writes.close();
});

afterAll(() => etcd?.close());

it.each(["SIGTERM", "SIGINT"] as const)("routectl ipconfig serves until %s, held polls or not", async (signal) => {
  const child = spawn(process.execPath, [MAIN, "ipconfig", "--listen", ":0", "--etcd", etcd.url]);
  const gone = once(child, "exit");
  try {
    const lines: { msg: string; part: string }[] = [];
    createInterface({ input: child.stderr }).on("line", (line) => lines.push(JSON.parse(line)));
    await waitFor("it to serve", () => lines.some(({ msg }) => msg.startsWith("serving on ")));
    const [, url] = /^serving on (.*)$/.exec(lines.map(({ msg }) => msg).find((msg) => msg.startsWith("serving"))!)!;
    await waitFor("the list", async () => (await fetch(`${url}/readyz`)).status === 200);
    const { epoch, revision } = (await (await fetch(`${url}/v1/snapshot`)).json()) as {
      epoch: string;
      revision: number;
    };
    const held = fetch(`${url}/v1/snapshot?epoch=${epoch}&revision=${revision}&waitMs=60000`).catch(() => "cut off");
    const startedAt = performance.now();
    child.kill(signal);
    expect((await gone)[0]).toBe(0);
    expect(await held).toBe("cut off");
    expect(performance.now() - startedAt).toBeLessThan(5000);
    expect(new Set(lines.map(({ part }) => part))).toEqual(new Set(["ipconfig"]));
  } finally {
    child.kill("SIGKILL");
  }
});
