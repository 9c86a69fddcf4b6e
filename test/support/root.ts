import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

function findRoot(directory: string): string {
  return existsSync(join(directory, "package-lock.json")) ? directory : findRoot(dirname(directory));
}

/** The project's directory, wherever this file was built to. */
export const ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));
