import { usageError } from "../errors.ts";
import { exponentialTimes, lognormalTimes, recordedTimes, type ServiceTimes } from "./service-times.ts";

/** How long requests take, in a form that can be handed to another thread. */
export type ServiceTimesSetting =
  | { readonly kind: "exponential" | "lognormal"; readonly meanMs: number }
  | { readonly kind: "recorded"; readonly milliseconds: readonly number[] };

/** What all simulations of a suite have in common. */
export interface Settings {
  readonly servers: number;
  readonly slots: number;
  /** As a part of the servers' capacity; it changes evenly from the first to the last in the measured time. */
  readonly load: { readonly first: number; readonly last: number };
  /** Measured time; a warm-up comes before it. */
  readonly seconds: number;
  readonly seed: number;
  /** Numbers of router workers: every scenario is run with each. */
  readonly routers: readonly number[];
  readonly serviceTimes: ServiceTimesSetting;
  readonly scoreLagMs?: number | undefined;
}

export const DEFAULT_SETTINGS: Settings = {
  servers: 20,
  slots: 4,
  load: { first: 0.7, last: 0.8 },
  seconds: 120,
  seed: 1,
  routers: [4, 32],
  serviceTimes: { kind: "exponential", meanMs: 10 },
};

export function serviceTimesOf(setting: ServiceTimesSetting): ServiceTimes {
  if (setting.kind === "recorded") return recordedTimes(setting.milliseconds);
  return setting.kind === "lognormal" ? lognormalTimes(setting.meanMs) : exponentialTimes(setting.meanMs);
}

const MOST_MS = 3_600_000;

/** From the text of a file with a number of milliseconds in each line. @param name as errors call the file */
export function parseRecorded(text: string, name: string): ServiceTimesSetting {
  const milliseconds: number[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const value = Number(line);
    if (!(value >= 0 && value <= MOST_MS)) {
      throw usageError(`${name}:${i + 1}: it must be a number of milliseconds from 0 to ${MOST_MS}`);
    }
    milliseconds.push(value);
  }
  if (!milliseconds.some((value) => value > 0)) throw usageError(`${name}: it has no time above 0`);
  return { kind: "recorded", milliseconds };
}
