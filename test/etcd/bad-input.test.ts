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

const WEIGHTS = ["-1", "1.5", "NaN", "1e999", "1001", "", "0x10", " 5", "Infinity"];
const NAMES = ['a"b', "a{b", "a\nb", "__proto__", "Orders", "a".repeat(65), "", ".", "a/b", "a\u0000b".slice(0, 1) + "é"];
const AT = ["--address", "10.0.0.2", "--port", "80"];

describe.concurrent("a weight that is not a whole number from 0 to 1000", () => {
  it.each(WEIGHTS)("weight set %j", (text) => expectRefusal(["weight", "set", "demo", `demo-1=${text}`], "0 to 1000"));

  it.each(["-1", "1.5", "NaN", "1e999", ""])("service register --weight %j", (text) =>
    expectRefusal(["service", "register", "demo", "--id", "demo-2", ...AT, "--weight", text], "0 to 1000"),
  );

  it.each([
    ["no weight", ["demo-1"], "ID=WEIGHT"],
    ["no id", ["=5"], "ID=WEIGHT"],
    ["an id twice", ["demo-1=5", "demo-1=6"], "twice"],
  ])("%s", (_, texts, says) => expectRefusal(["weight", "set", "demo", ...texts], says));
});

describe.concurrent("a name that is none", () => {
  it.each(NAMES)("of a service: %j", (name) =>
    expectRefusal(["service", "register", name, "--id", "x", ...AT], "is not a name: lower-case letters"),
  );

  it.each(NAMES)("of an instance: %j", (name) =>
    expectRefusal(["service", "register", "demo", "--id", name, ...AT], "is not a name: lower-case letters"),
  );

  it.each(["service get", "policy get", "history", "peers", "weight clear"])("in routectl %s", (command) =>
    expectRefusal([...command.split(" "), "Demo"], "is not a name: lower-case letters"),
  );

  it("in routectl drain", () => expectRefusal(["drain", "demo", "__proto__"], "is not a name"));
});

describe.concurrent("an address that nobody can connect to", () => {
  it.each(["10.0.0.300", "10.0.0", "::g", "a b", "", "-x.example", "10.0.0.1:80", "http://x", "fe80::1%eth0"])("%j", (address) =>
    expectRefusal(["service", "register", "demo", "--id", "demo-2", "--address", address, "--port", "80"], "address"),
  );

  it.each(["0", "70000", "-1", "80.5", "http", ""])("port %j", (port) =>
    expectRefusal(["service", "register", "demo", "--id", "demo-2", "--address", "10.0.0.2", "--port", port], "65535"),
  );

  it("none at all", () => expectRefusal(["service", "register", "demo", "--id", "demo-2", "--port", "80"], "address"));
});

describe.concurrent("other values that can't be right", () => {
  it.each(["10", "1s", "0m", "-5m", "400d", "1e3s", ""])("a time to live of %j", (ttl) =>
    expectRefusal(["weight", "set", "demo", "demo-1=5", "--ttl", ttl], "30s, 10m, 2h"),
  );

  it.each([
    ["600 characters", "x".repeat(600)],
    ["600 bytes in 300 characters, more than a router takes", "é".repeat(300)],
  ])("a reason of %s", (_, reason) =>
    expectRefusal(["weight", "set", "demo", "demo-1=5", "--reason", reason], "512 bytes"),
  );

  it("an author of 600 bytes", () => expectRefusal(["drain", "demo", "demo-1", "--by", "é".repeat(300)], "512 bytes"));

  it("an instance's display name of 600 bytes", () =>
    expectRefusal(["service", "register", "demo", "--id", "demo-1", "--name", "é".repeat(300)], "512 bytes"));

  it.each(["zone", "=a", "__proto__=a", "a b=c"])("metadata %j", (pair) =>
    expectRefusal(["service", "register", "demo", "--id", "demo-2", ...AT, "--metadata", pair], "metadata"),
  );

  it.each([
    ["consistent-hash without a hash key", ["--algorithm", "consistent-hash"], "header:x-user-id"],
    ["an unknown algorithm", ["--algorithm", "fastest"], "weighted-random"],
    ["a header without a name", ["--hash-on", "header:"], "header:NAME"],
    ["a cookie with a blank", ["--hash-on", "cookie:a b"], "header:NAME"],
    ["no attempt", ["--max-attempts", "0"], "1 to 10"],
    ["eleven attempts", ["--max-attempts", "11"], "1 to 10"],
  ])("a policy: %s", (_, options, says) => expectRefusal(["policy", "set", "demo", ...options], says));
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
    ["a history", ["history", "dmo"], "did you mean demo?"],
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
