import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";

/** Runs promtool, of Debian's package prometheus. @throws what it says, when it finds anything wrong */
export function promtool(...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync("promtool", args, { encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`promtool ${args.join(" ")}:\n${stdout}${stderr}`);
  return stdout;
}

/** Has promtool parse expressions; it has no command for one, but checks those of rules. @throws for one that is wrong */
export function parseExpressions(expressions: readonly string[]): void {
  const rules = expressions.map((expr, index) => ({ record: `parsed:${index}`, expr }));
  const directory = mkdtempSync(join(tmpdir(), "routectl-promtool-"));
  try {
    const file = join(directory, "rules.yml");
    writeFileSync(file, stringify({ groups: [{ name: "expressions", rules }] }));
    promtool("check", "rules", file);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
