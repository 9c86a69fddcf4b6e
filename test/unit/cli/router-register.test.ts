import { expect, it } from "vitest";
import { createRouterRegister, ROUTER_EXPIRY_MS } from "../../../cli/ipconfig/routers.ts";

const report = { workerCount: 1, ipconfig: "", leftEpochs: [], workers: [] };

it("a router that is silent for some seconds is not live any more", () => {
  let now = 0;
  const routers = createRouterRegister(() => now);
  routers.acknowledge("edge-1", report);
  now = ROUTER_EXPIRY_MS - 1000;
  routers.acknowledge("edge-2", report);
  expect(routers.live().map(({ node, ageMs }) => [node, ageMs])).toEqual([
    ["edge-1", ROUTER_EXPIRY_MS - 1000],
    ["edge-2", 0],
  ]);
  now = ROUTER_EXPIRY_MS + 1;
  expect(routers.live().map(({ node }) => node)).toEqual(["edge-2"]);
});

it("there is a bound to how many routers are remembered; those that are gone make room", () => {
  let now = 0;
  const routers = createRouterRegister(() => now);
  let count = 0;
  while (routers.acknowledge(`edge-${count}`, report)) {
    count++;
    if (count > 1_000_000) throw new Error("there is no bound");
  }
  expect(routers.acknowledge("edge-0", report)).toBe(true);
  now = ROUTER_EXPIRY_MS + 1;
  expect(routers.acknowledge("one-more", report)).toBe(true);
  expect(routers.live().map(({ node }) => node)).toEqual(["one-more"]);
});
