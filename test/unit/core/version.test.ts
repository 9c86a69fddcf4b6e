import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { VERSION } from "../../../lua/core/version.ts";

it("routectl says the version that its package has", () => {
  const json = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  expect(VERSION).toBe((JSON.parse(json) as { version: string }).version);
});
