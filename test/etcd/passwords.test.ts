import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort } from "../../cli/stack/ports.ts";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica, type TestReplica } from "../support/replica.ts";
import { routectl } from "../support/routectl.ts";

/** A password in a URL is not printed, whether a part answers there or not. */
let etcd: TestEtcd;
let replica: TestReplica;
let nobody: string;
/** Answers nothing but errors. */
let broken: Server;

beforeAll(async () => {
  etcd = await startEtcd();
  replica = await startTestReplica(etcd.url);
  nobody = withPassword(`http://127.0.0.1:${await freePort()}`);
  broken = createServer((_, response) => response.writeHead(500).end());
  await new Promise<void>((resolve) => broken.listen(0, "127.0.0.1", resolve));
});

afterAll(async () => {
  broken?.close();
  await replica?.stop();
  await etcd?.close();
});

const withPassword = (url: string): string => url.replace("//", "//ana:secretpw@");
const brokenUrl = (): string => withPassword(`http://127.0.0.1:${(broken.address() as AddressInfo).port}`);

it.each([
  "service list --etcd",
  "service list --debug --etcd",
  "peers demo --router",
  "score show demo --ipconfig",
])("%s", async (command) => {
  for (const url of [nobody, brokenUrl()]) {
    const { status, stderr } = await routectl([...command.split(" "), url]);
    expect(status).toBe(3);
    expect(stderr).not.toContain("secretpw");
    expect(stderr).toContain(new URL(url).host);
  }
});

it.each(["table", "json"])("status -o %s", async (format) => {
  for (const ipconfig of [nobody, brokenUrl(), withPassword(replica.url)]) {
    const args = ["--etcd", nobody, "--router", nobody, "--ipconfig", ipconfig];
    const { status, stdout, stderr } = await routectl(["status", "-o", format, ...args]);
    expect(status).toBe(3);
    expect(stdout + stderr).not.toMatch(/ana|secretpw/);
    expect(stdout).toContain(new URL(ipconfig).host);
  }
});
