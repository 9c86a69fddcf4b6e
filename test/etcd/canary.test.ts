import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { setCanary } from "../../cli/store/canary.ts";
import { changePolicy, withFields } from "../../cli/store/policy.ts";
import { startEtcd, type TestEtcd } from "../support/etcd.ts";
import { startTestReplica } from "../support/replica.ts";
import { routectlFor } from "../support/routectl.ts";
import { type Writes, writesTo } from "../support/writes.ts";

let etcd: TestEtcd;
let writes: Writes;
let cli: ReturnType<typeof routectlFor>;

beforeAll(async () => {
  etcd = await startEtcd();
  writes = writesTo(etcd.url);
  cli = routectlFor(etcd.url);
});

beforeEach(async () => {
  await etcd.raw.deleteAll();
  await writes.register("shop", { id: "shop-1" });
  await writes.register("shop", { id: "shop-2", metadata: { version: "v2" } });
  await writes.register("shop", { id: "shop-3", metadata: { version: "v3", zone: "a" } });
});

afterAll(async () => {
  writes?.close();
  await etcd?.close();
});

const V2 = { version: "v2" };
const BY_UID = ["--hash-on", "cookie:uid"];
const policy = async () => JSON.parse(await cli.must("policy", "get", "shop", "-o", "json"));
const rules = async () => (await policy()).rules;
const set = (...args: string[]) => cli.must("canary", "set", "shop", "--subset", "version=v2", ...args);

describe("canary set", () => {
  it("writes a rule for each match, then one for the percentage", async () => {
    const said = await set(
      ...["--percent", "5", ...BY_UID, "--header", "x-beta=1", "--header", "x-beta=a*", "--cookie", "beta=~^(a|b)$"],
      ...["--query", "v=*", "--path-prefix", "/shop/v2/"],
    );
    expect(said).toBe(
      [
        "shop: add header:x-beta=1 → version=v2",
        "shop: add header:x-beta=a* → version=v2",
        "shop: add cookie:beta=~^(a|b)$ → version=v2",
        "shop: add query:v=* → version=v2",
        "shop: add path=/shop/v2/* → version=v2",
        "shop: add 5 % by cookie:uid → version=v2\n",
      ].join("\n"),
    );
    expect(await policy()).toEqual({
      algorithm: "adaptive",
      rules: [
        { match: { on: "header:x-beta", equals: "1" }, subset: V2 },
        { match: { on: "header:x-beta", prefix: "a" }, subset: V2 },
        { match: { on: "cookie:beta", regex: "^(a|b)$" }, subset: V2 },
        { match: { on: "query:v", regex: "." }, subset: V2 },
        { match: { on: "path", prefix: "/shop/v2/" }, subset: V2 },
        { percent: 5, hashOn: "cookie:uid", subset: V2 },
      ],
    });
  });

  it("again for the subset: what is given replaces, the rest stays, and so does what is not a rule", async () => {
    await cli.must("policy", "set", "shop", "--per-try-timeout", "2s");
    await set("--header", "x-beta=1", "--percent", "5", ...BY_UID);
    await cli.must("canary", "set", "shop", "--subset", "version=v3,zone=a", "--percent", "1", "--cookie", "v=3");
    expect(await set("--percent", "10%")).toBe("shop: 10 % by cookie:uid → version=v2 (was 5 % by cookie:uid)\n");
    await set("--header", "x-beta=2");
    const v3 = { version: "v3", zone: "a" };
    expect(await policy()).toEqual({
      ...{ algorithm: "adaptive", timeouts: { perTryMs: 2000 } },
      rules: [
        { match: { on: "header:x-beta", equals: "2" }, subset: V2 },
        { match: { on: "cookie:v", equals: "3" }, subset: v3 },
        { percent: 10, hashOn: "cookie:uid", subset: V2 },
        { percent: 1, subset: v3 },
      ],
    });
  });

  it("none takes a kind of rule away, with the last one all of it", async () => {
    await set("--header", "x-beta=1", "--percent", "5", ...BY_UID);
    await set("--hash-on", "none");
    expect(await rules()).toEqual([
      { match: { on: "header:x-beta", equals: "1" }, subset: V2 },
      { percent: 5, subset: V2 },
    ]);
    expect(await set("--header", "none", "--cookie", "none")).toBe("shop: remove header:x-beta=1 → version=v2\n");
    await set("--percent", "none");
    expect(await policy()).toEqual({ algorithm: "adaptive" });
  });

  it("as it is already: nothing to change, and nothing is written", async () => {
    await set("--percent", "5", ...BY_UID);
    const before = await etcd.raw.list();
    expect(await set("--percent", "5")).toBe("shop: nothing to change\n");
    expect(await set("--percent", "9", "--dry-run")).toContain("(dry run: nothing was written)");
    expect(await etcd.raw.list()).toEqual(before);
  });

  it("is in the history, in the transaction of the change", async () => {
    await set("--percent", "5", "--reason", "try v2");
    const [entry] = JSON.parse(await cli.must("history", "shop", "--limit", "1", "-o", "json"));
    const [stored] = await etcd.raw.list("/routectl/v1/services/shop/policy");
    expect(entry).toMatchObject({ action: "canary", detail: "add 5 % → version=v2", by: "tester", reason: "try v2" });
    expect(entry.revision).toBe(stored!.modRevision);
  });

  it("-o json says what was done", async () => {
    const said = JSON.parse(await set("--percent", "5", "-o", "json"));
    expect(said).toEqual({ service: "shop", changes: ["add 5 % → version=v2"], revision: expect.any(Number) });
  });
});

describe("canary set warns, on stderr, and goes on", () => {
  const warnings = async (...args: string[]): Promise<string[]> => {
    const { status, stderr } = await cli.run("canary", "set", "shop", ...args);
    expect(status).toBe(0);
    return stderr.split("\n").filter((line) => line !== "");
  };

  it("when no instance is in the subset", async () => {
    expect(await warnings("--subset", "version=v2,zone=a", "--header", "x=1")).toEqual([
      expect.stringMatching(
        /^routectl: warning: no instance of shop has the metadata version=v2,zone=a: until one has/,
      ),
    ]);
    expect(await warnings("--subset", "version=v2", "--header", "x=1")).toEqual([]);
  });

  it("when nothing names the user of a percentage", async () => {
    const byAddress = [expect.stringMatching(/^routectl: warning: nothing names the user, [^\n]+ --hash-on$/)];
    expect(await warnings("--subset", "version=v2", "--percent", "5")).toEqual(byAddress);
    expect(await warnings("--subset", "version=v2", "--header", "x=1")).toEqual([]);
    expect(await warnings("--subset", "version=v2", "--hash-on", "address")).toEqual([]);
    expect(await warnings("--subset", "version=v2", "--percent", "5", ...BY_UID)).toEqual([]);
    expect(await warnings("--subset", "version=v2", "--hash-on", "none", "--dry-run")).toEqual(byAddress);
    await cli.must("policy", "set", "shop", "--hash-on", "header:x-user-id");
    expect(await warnings("--subset", "version=v2", "--hash-on", "none")).toEqual([]);
  });
});

describe("canary clear", () => {
  it("takes the rules of a subset away, and says who gets any request from now on", async () => {
    await set("--percent", "5", "--header", "x=1");
    await cli.must("canary", "set", "shop", "--subset", "zone=a", "--percent", "5");
    expect(await cli.must("canary", "clear", "shop", "--subset", "version=v2")).toBe(
      [
        "shop: remove header:x=1 → version=v2",
        "shop: remove 5 % → version=v2",
        "shop: shop-2 may now get any request\n",
      ].join("\n"),
    );
    expect(await rules()).toEqual([{ percent: 5, subset: { zone: "a" } }]);
    const [entry] = JSON.parse(await cli.must("history", "shop", "--limit", "1", "-o", "json"));
    expect(entry).toMatchObject({ action: "canary", detail: expect.stringMatching(/^remove header:x=1/) });
  });

  it("all of them; and when there is none, nothing is written", async () => {
    await set("--percent", "5");
    await cli.must("canary", "clear", "shop");
    expect(await policy()).toEqual({ algorithm: "adaptive" });
    const before = await etcd.raw.list();
    expect(await cli.must("canary", "clear", "shop")).toBe("shop: no rule to take away\n");
    expect(await cli.must("canary", "clear", "shop", "--subset", "version=v2")).toBe(
      "shop: no rule for version=v2 to take away\n",
    );
    expect(await etcd.raw.list()).toEqual(before);
  });
});

describe("canary show", () => {
  it("lists the rules in their order, with who gets their requests", async () => {
    await set("--percent", "0.5", "--header", "x-beta=1");
    await cli.must("canary", "set", "shop", "--subset", "zone=b", "--percent", "7", ...BY_UID);
    expect((await cli.must("canary", "show", "shop")).split("\n").map((line) => line.trim().split(/ {2,}/))).toEqual([
      ["RULE", "SUBSET", "REQUESTS", "PERCENT", "BY", "INSTANCES"],
      ["1", "version=v2", "header:x-beta=1", "all", "-", "1"],
      ["2", "version=v2", "any", "0.5 %", "address", "1"],
      ["3", "zone=b", "any", "7 %", "cookie:uid", "none"],
      [""],
    ]);
    expect(await cli.must("canary", "show", "shop", "-o", "wide")).toContain("shop-2");
    expect(JSON.parse(await cli.must("canary", "show", "shop", "-o", "json"))).toEqual([
      { rule: 1, match: { on: "header:x-beta", equals: "1" }, subset: V2, instances: ["shop-2"] },
      { rule: 2, percent: 0.5, hashOn: "address", subset: V2, instances: ["shop-2"] },
      { rule: 3, percent: 7, hashOn: "cookie:uid", subset: { zone: "b" }, instances: [] },
    ]);
  });

  it("none: an empty list", async () => {
    expect(await cli.must("canary", "show", "shop", "-o", "json")).toBe("[]\n");
  });
});

describe("what can't be right is refused in one line, and nothing is written", () => {
  const v2 = ["canary", "set", "shop", "--subset", "version=v2"];
  it.each([
    [v2, 2, "say which requests: --percent, --header, --cookie, --query or --path-prefix"],
    [[...v2, "--hash-on", "path"], 2, "--hash-on says what names the user for --percent"],
    [[...v2, "--percent", "101"], 2, "policy.rules[0].percent: must be a number from 0 to 100"],
    [[...v2, "--percent", "many"], 2, "It must be a percentage"],
    [[...v2, "--percent", "5", "--hash-on", "uid"], 2, "policy.rules[0].hashOn: must be header:NAME"],
    [[...v2, "--header", "x-beta"], 2, "of the form NAME=VALUE, or none"],
    [[...v2, "--header", "x beta=1"], 2, "policy.rules[0].match.on: must be header:NAME"],
    [[...v2, "--header", "x-beta="], 2, "policy.rules[0].match.equals: must be a text of 1 to 512 bytes"],
    [[...v2, "--cookie", "beta=~(?=a)"], 2, "policy.rules[0].match.regex: of the groups with ?"],
    [[...v2, "--path-prefix", "v2/"], 2, "It must begin with /"],
    [["canary", "set", "shop", "--percent", "5"], 2, "'--subset <key=value>' not specified"],
    [["canary", "set", "shop", "--subset", "v2", "--percent", "5"], 2, "KEY=VALUE"],
    [["canary", "set", "shop", "--subset", "a b=v2", "--percent", "5"], 2, "is not a metadata key"],
    [["canary", "set", "shp", "--subset", "version=v2", "--percent", "5"], 1, "did you mean shop?"],
    [["canary", "clear", "shp"], 1, "did you mean shop?"],
    [["canary", "show", "shp"], 1, "did you mean shop?"],
    [["canary", "show", "Shop"], 2, "is not a name"],
  ])("%j", async (args, exit, says) => {
    const before = await etcd.raw.list();
    const { status, stdout, stderr } = await cli.run(...args);
    expect({ stdout, stderr }).toEqual({ stdout: "", stderr: expect.stringMatching(/^routectl: [^\n]+\n$/) });
    expect(stderr).toContain(says);
    expect(status).toBe(exit);
    expect(await etcd.raw.list()).toEqual(before);
  });

  it("percentages of two subsets that are more than all", async () => {
    await set("--percent", "60");
    const { status, stderr } = await cli.run("canary", "set", "shop", "--subset", "zone=a", "--percent", "41");
    expect([status, stderr]).toEqual([2, expect.stringContaining("add up to more than 100")]);
  });
});

it("of a canary and a policy that are written at once one wins, and the other is told and changes nothing", async () => {
  let read = 0;
  let go: () => void;
  const bothHaveRead = new Promise<void>((resolve) => {
    go = resolve;
  });
  const store = {
    ...writes.store,
    commit: async (...transaction: Parameters<typeof writes.store.commit>) => {
      if (++read === 2) go();
      await bothHaveRead;
      return writes.store.commit(...transaction);
    },
  };
  const author = { by: "tester", reason: "", dryRun: false };
  const results = await Promise.allSettled([
    setCanary(store, "shop", { subset: V2, matches: new Map(), percent: 5 }, author),
    changePolicy(store, "shop", (before) => withFields(before, new Map([["top", 3]])), { ...author, action: "test" }),
  ]);
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  const [lost] = results.filter((result) => result.status === "rejected");
  expect(lost!.reason).toMatchObject({ code: "conflict", exitCode: 5 });
  const canaryWon = results[0].status === "fulfilled";
  expect(await policy()).toEqual({
    algorithm: "adaptive",
    ...(canaryWon ? { rules: [{ percent: 5, subset: V2 }] } : { top: 3 }),
  });
});

it("explain, from ipconfig's list, names the rule that takes a key", async () => {
  const replica = await startTestReplica(etcd.url);
  try {
    await set("--percent", "50", ...BY_UID);
    const nobody = ["--router", "http://127.0.0.1:1", "--ipconfig", replica.url];
    const explain = (...keys: string[]) => cli.must("explain", "shop", ...nobody, "--key", ...keys);
    const keys = Array.from({ length: 20 }, (_, i) => `user-${i}`);
    const found = JSON.parse(await cli.must("explain", "shop", ...nobody, "-o", "json", "--key", ...keys)) as {
      key: string;
      rule: number | null;
      order: string[];
    }[];
    const taken = found.find(({ rule }) => rule === 1)!;
    const left = found.find(({ rule }) => rule === null)!;
    expect(taken.order).toEqual(["shop-2"]);
    expect([...left.order].sort()).toEqual(["shop-1", "shop-3"]);
    expect(await explain(taken.key)).toMatch(/\(.*, rule 1: 50 % by cookie:uid → version=v2\)\n/);
    expect(await explain(left.key)).not.toContain("rule 1:");
    expect(await explain(taken.key, left.key)).toMatch(/^KEY +PEER +THEN +RULE\n.* 1\n.* -\n$/);
  } finally {
    await replica.stop();
  }
});
