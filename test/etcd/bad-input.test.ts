import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { routectlFor } from "../support/routectl.ts";

let etcd: TestEtcd;
let cli: ReturnType<typeof routectlFor>;

beforeAll(async () => {
  etcd = await startEtcd();
  cli = routectlFor(etcd.url);
  await cli.must("service", "register", "demo", "--id", "demo-1", "--address", "10.0.0.1", "--port", "8080");
  await cli.must("weight", "set", "demo", "demo-1=50");
});

afterAll(() => etcd?.close());

/** Every one of these is refused in one line that says what is wrong, and etcd holds exactly what it held. */
async function expectRefusal(args: readonly string[], says: string): Promise<void> {
  const before = await etcd.raw.list();
  const { status, stdout, stderr } = await cli.run(...args);
  expect({ stderr, stdout }).toEqual({ stderr: expect.stringMatching(/^routectl: [^\n]+\n$/), stdout: "" });
  expect(stderr).toContain(says);
  expect(status).toBeOneOf([1, 2]);
  expect(await etcd.raw.list()).toEqual(before);
}

const AT = ["--address", "10.0.0.2", "--port", "80"];

describe.concurrent("a weight that is not a whole number from 0 to 1000", () => {
  it.each(["-1", "1.5", "NaN", "1e999", "1001", ""])("weight set: %j", (text) =>
    expectRefusal(["weight", "set", "demo", `demo-1=${text}`], "0 to 1000"));

  it.each(["-1", "1e999", ""])("service register: %j", (text) =>
    expectRefusal(["service", "register", "demo", "--id", "demo-2", ...AT, "--weight", text], "0 to 1000"));
});

describe.concurrent("a name that is none", () => {
  const names = ['a"b', "a{b", "a\nb", "__proto__", "Orders", "a".repeat(65), ""];

  it.each(names)("of a service: %j", (name) =>
    expectRefusal(["service", "register", name, "--id", "x", ...AT], "is not a name: lower-case letters"));

  it.each(names)("of an instance: %j", (name) =>
    expectRefusal(["service", "register", "demo", "--id", name, ...AT], "is not a name: lower-case letters"));

  it.each(["service get", "history", "peers", "weight clear"])("in routectl %s", (command) =>
    expectRefusal([...command.split(" "), "Demo"], "is not a name: lower-case letters"));

  it("in routectl drain", () => expectRefusal(["drain", "demo", "__proto__"], "is not a name"));
});

describe.concurrent("an address that nobody can connect to", () => {
  const register = ["service", "register", "demo", "--id", "demo-2"];

  it.each(["10.0.0.300", "10.0.0.1:80", ""])("%j", (address) =>
    expectRefusal([...register, "--address", address, "--port", "80"], "address"));

  it.each(["0", "70000", "-1", "http"])("port %j", (port) =>
    expectRefusal([...register, "--address", "10.0.0.2", "--port", port], "65535"));

  it.each(["70000", "0x2390"])("metadata statusPort=%s", (port) =>
    expectRefusal(
      ["service", "register", "demo", "--id", "demo-1", "--metadata", `statusPort=${port}`],
      "instance demo-1: metadata.statusPort: must be a whole number from 1 to 65535",
    ));

  it("none at all", () => expectRefusal([...register, "--port", "80"], "address"));
});

describe.concurrent("other values that can't be right", () => {
  const long = "é".repeat(300);

  it.each([
    ["a time to live without a unit", ["weight", "set", "demo", "demo-1=5", "--ttl", "10"], "30s, 10m, 2h"],
    ["a time to live below etcd's", ["drain", "demo", "demo-1", "--ttl", "1s"], "at least 2s"],
    ["a reason that routers refuse for its bytes", ["drain", "demo", "demo-1", "--reason", long], "512 bytes"],
    ["an author that routers refuse for its bytes", ["drain", "demo", "demo-1", "--by", long], "512 bytes"],
    ["a name that routers refuse", ["service", "register", "demo", "--id", "demo-1", "--name", long], "512 bytes"],
    [
      "metadata __proto__",
      ["service", "register", "demo", "--id", "x", ...AT, "--metadata", "__proto__=a"],
      "metadata",
    ],
    ["no hash key", ["policy", "set", "demo", "--algorithm", "consistent-hash"], "header:x-user-id"],
    ["an algorithm", ["policy", "set", "demo", "--algorithm", "fastest"], "weighted-random"],
    ["a header without a name", ["policy", "set", "demo", "--hash-on", "header:"], "header:NAME"],
    ["too many attempts", ["policy", "set", "demo", "--max-attempts", "11"], "1 to 10"],
  ])("%s", (_, args, says) => expectRefusal(args, says));
});

describe.concurrent("something that is not there", () => {
  it.each([
    ["a service", ["drain", "dmo", "demo-1"], "there is no service dmo: did you mean demo?"],
    ["a service nothing like any", ["drain", "billing", "b-1"], "see routectl service list"],
    ["an instance", ["weight", "set", "demo", "demo1=5"], "demo has no instance demo1: did you mean demo-1?"],
    ["one instance of two", ["weight", "set", "demo", "demo-1=5", "demo-x=5"], "did you mean demo-1?"],
    ["a command", ["wieght", "list"], "Did you mean weight?"],
    ["an option", ["drain", "demo", "demo-1", "--tll", "5m"], "--ttl"],
    ["an argument", ["drain", "demo"], "missing required argument 'id'"],
    ["an argument too many", ["drain", "demo", "demo-1", "demo-2"], "too many arguments"],
  ])("%s", (_, args, says) => expectRefusal(args, says));
});

it("constructor is a name like any other", async () => {
  const at = ["--address", "10.0.0.9", "--port", "80", "--metadata", "constructor=toString"];
  await cli.must("service", "register", "constructor", "--id", "constructor", ...at);
  await cli.must("weight", "set", "constructor", "constructor=7");
  const [override] = JSON.parse(await cli.must("weight", "list", "constructor", "-o", "json"));
  expect(override).toMatchObject({ service: "constructor", id: "constructor", weight: 7 });
  await cli.must("drain", "constructor", "constructor");
  await cli.must("restore", "constructor", "constructor");
  expect(await cli.must("dump")).toContain("constructor: toString");
  await cli.must("service", "deregister", "constructor", "constructor");
});
