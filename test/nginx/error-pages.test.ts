import { afterAll, beforeAll, expect, test } from "vitest";
import type { Policy } from "../../lua/core/types.ts";
import { answer, type HttpInstance, peersOf, startHttpInstances } from "../support/http-instance.ts";
import { type LiveRouter, startLiveRouter } from "../support/live-router.ts";
import { serviceList } from "../support/scripted-ipconfig.ts";

/** An instance is judged by what it answers, not by what nginx makes of it for the client. */
const LOCATIONS = `
  location ^~ /sorry/ { set $routectl_service $arg_service; include routectl/proxy.conf; proxy_intercept_errors on; error_page 500 502 =200 /sorry; proxy_pass http://routectl; }
  location = /sorry { return 200 "sorry"; }
  location ^~ /backup/ { set $routectl_service $arg_service; include routectl/proxy.conf; proxy_intercept_errors on; error_page 500 502 = @backup; proxy_pass http://routectl; }
  location @backup { set $routectl_service backup; include routectl/proxy.conf; proxy_pass http://routectl; }
  location ^~ /guarded/ { auth_request /guard; set $routectl_service backup; include routectl/proxy.conf; proxy_pass http://routectl; }
  location ^~ /any/ { satisfy any; allow all; auth_request /guard; set $routectl_service backup; include routectl/proxy.conf; proxy_pass http://routectl; }
  location = /guard { internal; set $routectl_service auth; include routectl/proxy.conf; proxy_pass_request_body off; proxy_pass http://routectl; }
`;
const POLICY: Policy = { algorithm: "weighted-random", ejection: { baseMs: 60_000, maxMs: 60_000 } };

let instances: HttpInstance[];
let router: LiveRouter;

beforeAll(async () => {
  instances = await startHttpInstances(5);
  const [bad, good, other, backup, auth] = instances as [
    HttpInstance,
    HttpInstance,
    HttpInstance,
    HttpInstance,
    HttpInstance,
  ];
  bad.behave(answer(bad.id, { status: 500 }));
  for (const { id, behave } of [good, other]) behave(answer(id, { afterMs: 20 }));
  const shop = serviceList(peersOf([bad, good, other]), { policy: POLICY });
  router = await startLiveRouter(
    {
      ...Object.fromEntries(["first", "second"].map((name) => [name, shop])),
      backup: serviceList(peersOf([backup])),
      auth: serviceList(peersOf([auth])),
    },
    { workers: 1, locations: LOCATIONS },
  );
});
afterAll(async () => {
  await router?.close();
  for (const instance of instances ?? []) await instance.kill();
});

test.each([
  ["a page of its own", "/sorry/?service=first", "first"],
  ["another service", "/backup/?service=second", "second"],
])("an instance whose errors are replaced by %s is ejected", async (_what, path, service) => {
  const before = instances[0]!.count();
  for (let i = 0; i < 60; i++) expect((await fetch(`${router.url}${path}`)).status).toBe(200);
  expect(instances[0]!.count() - before).toBe(5);
  const { peers } = await router.read<{ peers: { id: string; state: string }[] }>(`/v1/services/${service}`);
  expect(peers.find(({ id }) => id === instances[0]!.id)!.state).toBe("ejected");
});

test.each([
  ["/guarded/"],
  ["/any/"],
])("%s: the service that auth_request asks is not the one that answers", async (path) => {
  const response = await fetch(`${router.url}${path}`);
  expect({ status: response.status, body: await response.json() }).toEqual({
    status: 200,
    body: { instance: instances[3]!.id },
  });
});
