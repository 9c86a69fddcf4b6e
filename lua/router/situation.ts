import type { Situation } from "../core/plan.ts";
import type { ServiceList } from "../core/types.ts";
import { modeOf } from "../core/weights.ts";
import { listAgeMs, nowMs } from "./freshness.ts";
import { ejectedUntilMs } from "./health.ts";
import { settings } from "./settings.ts";

/** When and in what mode this router serves a list, and whom of it it has ejected, as of now. */
export function situationOf(service: string, list: ServiceList): Situation {
  const ageMs = listAgeMs();
  const mode = modeOf(list.mode, ageMs, settings.staleAfterMs);
  const ejected = ejectedUntilMs(service, list);
  return { mode, nowMs: nowMs(), listAgeMs: ageMs, halfLifeMs: settings.halfLifeMs, ejectedUntilMs: ejected };
}
