import { readLastGood } from "./last-good.ts";
import { headText } from "./routes.ts";
import { applySettings, type Settings } from "./settings.ts";

/** When nginx starts or reloads, in the master: a reload keeps the lists that are in shared memory. */
export function init(given: Settings): void {
  applySettings(given);
  if (headText() === undefined) readLastGood();
}
