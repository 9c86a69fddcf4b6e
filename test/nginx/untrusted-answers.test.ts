import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startRouter, type TestRouter } from "../support/router.ts";
import {
  peer,
  type ScriptedIpconfig,
  serviceList,
  snapshot,
  startScriptedIpconfig,
} from "../support/scripted-ipconfig.ts";
import { waitFor } from "../support/wait.ts";

interface Service {
  mode: string;
  revision: number;
  epoch: string;
  peers: { id: string; weight: number }[];
}

let ipconfig: ScriptedIpconfig;
let router: TestRouter;
let revision = 100;
const members = ["a", "b", "c", "d"].map((id) => peer(id));

beforeAll(async () => {
  ipconfig = await startScriptedIpconfig();
  ipconfig.answerBody(snapshot(revision, { shop: serviceList(members) }));
  router = await startRouter({ ipconfig: ipconfig.url });
  await waitFor("the first list", async () => (await shop()).peers?.length === 4);
});
afterAll(async () => {
  await router.close();
  await ipconfig.close();
});

const shop = (): Promise<Service> => router.read<Service>("/v1/services/shop");

async function rejections(): Promise<number> {
  const page = await (await fetch(`${router.admin}/metrics`)).text();
  const counts = [...page.matchAll(/^routectl_snapshot_rejected_total\{[^}]*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Lets some polls be answered, and says how the service looks then. */
async function afterPolls(count = 3): Promise<Service> {
  const from = ipconfig.polls();
  await waitFor("polls", () => ipconfig.polls() >= from + count, 30_000);
  return shop();
}

describe("whatever an ipconfig answers, the list in force stays", () => {
  let before: Service;
  beforeEach(async () => {
    revision += 10;
    ipconfig.answerBody(snapshot(revision, { shop: serviceList(members) }));
    await waitFor("a good list", async () => (await shop()).revision === revision);
    before = await shop();
  });

  const newer = (change: (text: string) => string) => () =>
    change(
      JSON.stringify(
        snapshot(revision + 1, { shop: serviceList(members.map((member) => ({ ...member, weight: 7 }))) }),
      ),
    );

  test.each([
    ["empty", () => ""],
    ["not JSON", () => "<html>502 Bad Gateway</html>"],
    ["truncated JSON", newer((text) => text.slice(0, -30))],
    ["null", () => "null"],
    ["an array", () => "[]"],
    ["deeply nested", () => "[".repeat(10_000)],
    ["another schema", newer((text) => text.replace('"schema":1', '"schema":2'))],
    ["a weight of NaN", newer((text) => text.replace('"weight":7', '"weight":NaN'))],
    ["a weight of 1e999", newer((text) => text.replace('"weight":7', '"weight":1e999'))],
    ["a negative weight", newer((text) => text.replace('"weight":7', '"weight":-1'))],
    ["a fractional weight", newer((text) => text.replace('"weight":7', '"weight":0.5'))],
    ["a weight that is a text", newer((text) => text.replace('"weight":7', '"weight":"7"'))],
    ["a weight that is null", newer((text) => text.replace('"weight":7', '"weight":null'))],
    ["port 0", newer((text) => text.replace('"port":9', '"port":0'))],
    ["port 70000", newer((text) => text.replace('"port":9', '"port":70000'))],
    ["a host name", newer((text) => text.replace('"address":"127.0.0.1"', '"address":"evil.example"'))],
    ["an id with a line break", newer((text) => text.replace('"id":"a"', '"id":"a\\nb"'))],
    ["the same id twice", newer((text) => text.replace('"id":"b"', '"id":"a"'))],
    ["an unknown algorithm", newer((text) => text.replace("weighted-random", "magic"))],
    ["a hash policy without its key", newer((text) => text.replace("weighted-random", "consistent-hash"))],
    ["a revision that is too large to be exact", newer((text) => text.replace(`${revision + 1}`, "1e300"))],
  ])("%s", async (_what, body) => {
    const count = await rejections();
    ipconfig.answerBody(body());
    await waitFor("the refusal to be counted", async () => (await rejections()) > count || body() === "");
    expect(await afterPolls(2)).toMatchObject({ revision: before.revision, peers: before.peers });
  });

  test("an older revision", async () => {
    ipconfig.answerBody(snapshot(revision - 1, { shop: serviceList([peer("old")]) }));
    expect(await afterPolls()).toMatchObject({ revision: before.revision, peers: before.peers });
  });

  test("a change of an epoch that was not sent in full", async () => {
    ipconfig.answerBody(snapshot(revision, { shop: serviceList([peer("x")]) }, { epoch: "epoch-x", full: false }));
    expect(await afterPolls()).toMatchObject({ epoch: "epoch-a", revision: before.revision, peers: before.peers });
  });

  test("more than 64 MiB", async () => {
    ipconfig.answerWith((response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const chunk = Buffer.alloc(1024 * 1024, 32);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk)) {
          // As much as it takes.
        }
      };
      response.on("drain", more);
      more();
    });
    expect(await afterPolls(2)).toMatchObject({ revision: before.revision, peers: before.peers });
  });

  test("one byte a second", async () => {
    ipconfig.answerWith((response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
      const timer = setInterval(() => response.write("{"), 1000);
      response.on("close", () => clearInterval(timer));
    });
    expect(await afterPolls(2)).toMatchObject({ revision: before.revision, peers: before.peers });
  });

  test("a body that is cut off", async () => {
    ipconfig.answerWith((response) => {
      response.writeHead(200, { "content-length": "100000" });
      response.write(JSON.stringify(snapshot(revision + 1, { shop: serviceList([]) })), () => response.destroy());
    });
    expect(await afterPolls()).toMatchObject({ revision: before.revision, peers: before.peers });
  });

  test("bytes that are not HTTP, and statuses that are not 200 or 304", async () => {
    ipconfig.answerWith((response) => {
      response.socket?.end("\u0000\u0001 hello \r\n\r\n");
    });
    await afterPolls(2);
    ipconfig.answerWith((response) => response.writeHead(500).end(JSON.stringify(snapshot(revision + 1, {}))));
    expect(await afterPolls()).toMatchObject({ revision: before.revision, peers: before.peers });
  });
});

describe("a list that shrinks suspiciously", () => {
  test("is taken only when the next answer confirms it", async () => {
    revision += 10;
    let answered = 0;
    const short = snapshot(revision, { shop: serviceList([peer("a")]) });
    const whole = snapshot(revision + 1, { shop: serviceList(members) });
    ipconfig.answerWith((response) => {
      answered++;
      response.end(JSON.stringify(answered === 1 ? short : whole));
    });
    await waitFor("the second answer", async () => (await shop()).revision === revision + 1);
    expect((await shop()).peers).toHaveLength(4);
    expect(router.log()).toContain("shop lost more than half of its instances at once");

    revision += 2;
    ipconfig.answerBody(snapshot(revision, { shop: serviceList([peer("a")]) }));
    await waitFor("the confirmed list", async () => (await shop()).revision === revision);
    expect((await shop()).peers.map(({ id }) => id)).toEqual(["a"]);
    revision += 1;
    ipconfig.answerBody(snapshot(revision, { shop: serviceList(members) }));
    await waitFor("the whole list", async () => (await shop()).peers.length === 4);
  });
});

describe("an epoch", () => {
  test("is left for a new one with lower revisions, and is not gone back to", async () => {
    ipconfig.answerBody(snapshot(3, { shop: serviceList(members) }, { epoch: "epoch-b" }));
    await waitFor("the new epoch", async () => (await shop()).epoch === "epoch-b");
    ipconfig.answerBody(snapshot(revision + 50, { shop: serviceList([peer("z")]) }, { epoch: "epoch-a" }));
    const after = await afterPolls();
    expect(after).toMatchObject({ epoch: "epoch-b", revision: 3 });
    expect(after.peers).toHaveLength(4);
  });
});

test("what ipconfig sends can't forge a line in nginx's log", async () => {
  ipconfig.answerBody(
    JSON.stringify({
      schema: 1,
      epoch: "e",
      revision: 1,
      full: true,
      removed: [],
      services: { "x\n[alert] forged": {} },
    }),
  );
  await waitFor("the refusal", () => router.log().includes("is not a service name"));
  expect(router.log()).toContain("x\\x0a[alert] forged");
  expect(
    router
      .log()
      .split("\n")
      .some((line) => line.startsWith("[alert]")),
  ).toBe(false);
});
