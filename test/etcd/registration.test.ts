import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { routectlFor } from "../support/routectl.ts";

let etcd: TestEtcd;
let cli: ReturnType<typeof routectlFor>;

const REGISTER = ["service", "register", "demo", "--id", "demo-1"];

beforeAll(async () => {
  etcd = await startEtcd();
  cli = routectlFor(etcd.url);
});

beforeEach(async () => {
  await etcd.raw.deleteAll();
  const metadata = ["statusPort=9200", "zone=a"].flatMap((pair) => ["--metadata", pair]);
  await cli.must(...REGISTER, "--address", "10.0.0.1", "--port", "8080", ...metadata);
});

afterAll(() => etcd?.close());

const stored = async () => {
  const [instance] = await etcd.raw.list("/routectl/v1/services/demo/instances/");
  return JSON.parse(instance!.value);
};

it("metadata that are given leave the others as they are", async () => {
  await cli.must(...REGISTER, "--metadata", "version=v2", "--metadata", "zone=b");
  expect((await stored()).metadata).toEqual({ statusPort: "9200", zone: "b", version: "v2" });
  await cli.must(...REGISTER, "--weight", "50");
  expect(await stored()).toMatchObject({ weight: 50, metadata: { statusPort: "9200", zone: "b", version: "v2" } });
});

it("KEY= takes a key of the metadata away, and one that is not there is no change", async () => {
  await cli.must(...REGISTER, "--metadata", "zone=");
  expect((await stored()).metadata).toEqual({ statusPort: "9200" });
  expect(await cli.must(...REGISTER, "--metadata", "zone=")).toBe("demo: nothing to change\n");
});

it("--dry-run, the output and the history say what changes, and from what", async () => {
  const change = [...REGISTER, "--weight", "50", "--metadata", "version=v2", "--metadata", "zone="];
  const says = "demo-1: weight 50 (was 100), metadata version=v2 (was -), metadata zone removed (was a)";
  expect(await cli.must(...change, "--dry-run")).toBe(`demo: change ${says} (dry run: nothing was written)\n`);
  expect(await cli.must(...change)).toBe(`demo: change ${says}\n`);
  const moved = "demo-1: at [2001:db8::1]:8081 (was 10.0.0.1:8080), name first (was demo-1)";
  const file = "{id: demo-1, address: '2001:db8::1', port: 8081, weight: 50, name: first, metadata: META}";
  const apply = (metadata: string) =>
    cli.runWith(`services: {demo: {instances: [${file.replace("META", metadata)}]}}`, "apply", "-f", "-");
  expect((await apply('{statusPort: "9200", version: v2}')).stdout).toBe(`demo: change ${moved}\n`);
  const newMetadata = "demo-1: metadata statusPort=9201 (was 9200), metadata version=v3 (was v2)";
  expect((await apply('{statusPort: "9201", version: v3}')).stdout).toBe(`demo: change ${newMetadata}\n`);
  const details = JSON.parse(await cli.must("history", "demo", "-o", "json")).map(
    (entry: { detail: string }) => entry.detail,
  );
  const added = "demo-1 at 10.0.0.1:8080, weight 100, metadata statusPort=9200 zone=a";
  expect(details).toEqual([`change ${newMetadata}`, `change ${moved}`, says, added]);
});

it("many metadata and long ones are told in short", async () => {
  const metadata = Array.from({ length: 20 }, (_, i) => `key${i}=${"x".repeat(500)}`);
  const said = await cli.must(...REGISTER, ...metadata.flatMap((pair) => ["--metadata", pair]));
  expect(said).toContain(`metadata key0=${"x".repeat(60)}… (was -)`);
  expect(said).toMatch(/, and 12 more\n$/);
  expect(said.length).toBeLessThan(1000);
});

it("a file's metadata are all that there are after apply", async () => {
  const file = "services: {demo: {instances: [{id: demo-1, address: 10.0.0.1, port: 8080, metadata: {version: v2}}]}}";
  expect((await cli.runWith(file, "apply", "-f", "-")).status).toBe(0);
  expect((await stored()).metadata).toEqual({ version: "v2" });
});

it("a status port in etcd that is none keeps no instance out of the list, and is refused where it is written", async () => {
  const bad = { ...(await stored()), metadata: { statusPort: "http" } };
  await etcd.raw.put("/routectl/v1/services/demo/instances/demo-1", JSON.stringify(bad));
  expect(await cli.must("service", "get", "demo")).toContain("statusPort=http");
  const { status, stderr } = await cli.run(...REGISTER, "--weight", "50");
  expect([status, stderr]).toEqual([2, expect.stringContaining("metadata.statusPort: must be a whole number")]);
  await cli.must(...REGISTER, "--weight", "50", "--metadata", "statusPort=9200");
});
