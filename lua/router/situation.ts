import type { Situation } from "../core/plan.ts";
import type { ServiceList } from "../core/types.ts";
import { modeOf } from "../core/weights.ts";
import { listAgeMs, nowMs } from "./freshness.ts";
import { settings } from "./settings.ts";

/** When and in what mode this router serves a list, as of now. */
export function situationOf(list: ServiceList): Situation {
  const ageMs = listAgeMs();
  const mode = modeOf(list.mode, ageMs, settings.staleAfterMs);
  return { mode, nowMs: nowMs(), listAgeMs: ageMs, halfLifeMs: settings.halfLifeMs };
}
