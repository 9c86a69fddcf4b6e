import { expect, it } from "vitest";
import { routectl } from "../support/routectl.ts";

const help = async (...args: string[]): Promise<string> => {
  const { status, stdout, stderr } = await routectl([...args, "--help"]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
};

/** The commands that a help text lists. */
function commandsIn(text: string): string[] {
  const [, listed = ""] = /\nCommands:\n([\s\S]*?)\n(?:\n|$)/.exec(text) ?? [];
  return [...listed.matchAll(/^ {2}(\S+)/gm)].map(([, name]) => name!).filter((name) => name !== "help");
}

it("the help of routectl, and of every command, has an example", { timeout: 120_000 }, async () => {
  const seen: string[] = [];
  const visit = async (path: readonly string[]): Promise<void> => {
    const text = await help(...path);
    expect(text, `routectl ${path.join(" ")} --help`).toContain("Example:\n  $ routectl ");
    expect(text, "a default as an object").not.toContain("{");
    seen.push(path.join(" "));
    await Promise.all(commandsIn(text).map((name) => visit([...path, name])));
  };
  await visit([]);
  const nouns = [
    "canary clear",
    "canary set",
    "canary show",
    "policy get",
    "policy set",
    "service deregister",
    "service get",
    "service list",
    "service register",
  ];
  expect(seen).toEqual(
    expect.arrayContaining([...nouns, "weight clear", "weight list", "weight set", "decisions", "wait", "up"]),
  );
});

it("says its version", async () => {
  const { status, stdout } = await routectl(["--version"]);
  expect([status, stdout]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
});

it("without a command prints the help and exits with 2", async () => {
  for (const args of [[], ["weight"]]) {
    const { status, stderr } = await routectl(args);
    expect([status, stderr]).toEqual([2, expect.stringContaining("Usage: routectl")]);
  }
});
