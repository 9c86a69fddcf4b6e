import { roundHalfUp } from "./numbers.ts";
import type { Ejection } from "./types.ts";

/**
 * Outlier ejection, after Envoy's: a peer whose answers fail is left out for a while, then one request at a time tries it.
 * Each time it takes twice as long, up to a limit, and half as long again for every such time that it has been healthy.
 */
export type EjectionSettings = Required<Ejection>;

const DEFAULTS: EjectionSettings = {
  consecutiveFailures: 5,
  unanswered: 3,
  errorPercent: 50,
  baseMs: 2000,
  maxMs: 6000,
  maxEjectedPercent: 50,
};

/** An error rate over fewer answers than this says nothing. */
const LEAST_ANSWERS = 20;

/** Ejection times differ by up to this part, so that peers that failed together are not tried together. */
const JITTER = 0.2;

const MAX_DOUBLINGS = 16;

export function ejectionSettings(ejection: Ejection | undefined): EjectionSettings {
  return {
    consecutiveFailures: ejection?.consecutiveFailures ?? DEFAULTS.consecutiveFailures,
    unanswered: ejection?.unanswered ?? DEFAULTS.unanswered,
    errorPercent: ejection?.errorPercent ?? DEFAULTS.errorPercent,
    baseMs: ejection?.baseMs ?? DEFAULTS.baseMs,
    maxMs: ejection?.maxMs ?? DEFAULTS.maxMs,
    maxEjectedPercent: ejection?.maxEjectedPercent ?? DEFAULTS.maxEjectedPercent,
  };
}

/** Failures of a peer as one worker has seen them, since its last success. */
export interface FailureRun {
  readonly consecutiveFailures: number;
  /** Those, of other workers as well, to which there was no answer at all. */
  readonly unanswered: number;
}

/** Whether failures in a row are enough to eject a peer. */
export function failsInARow(run: FailureRun, settings: EjectionSettings): boolean {
  return (
    isReached(run.consecutiveFailures, settings.consecutiveFailures) || isReached(run.unanswered, settings.unanswered)
  );
}

function isReached(count: number, limit: number): boolean {
  return limit > 0 && count >= limit;
}

/** Whether the failures among the last answers are enough to eject a peer. */
export function failsTooOften(answers: number, failures: number, settings: EjectionSettings): boolean {
  if (settings.errorPercent === 0 || answers < LEAST_ANSWERS) return false;
  return failures * 100 >= answers * settings.errorPercent;
}

/**
 * How long a peer is left out.
 * @param times how often before, less what its health has earned since: see `rememberedTimes`
 * @param random 0 <= random < 1
 */
export function ejectionMs(times: number, random: number, settings: EjectionSettings): number {
  let ms = settings.baseMs;
  for (let i = 0; i < times && i < MAX_DOUBLINGS && ms < settings.maxMs; i++) ms *= 2;
  return roundHalfUp(Math.min(ms, settings.maxMs) * (1 - JITTER * random));
}

/** How many of its ejections are still held against a peer that has been healthy for a while. */
export function rememberedTimes(times: number, healthyMs: number, settings: EjectionSettings): number {
  const forgotten = Math.floor(Math.max(0, healthyMs) / settings.maxMs);
  // Those beyond the maximum are not: an outage of an hour would take an hour to be forgiven.
  return Math.max(0, Math.min(times, timesToMaximum(settings)) - forgotten);
}

function timesToMaximum(settings: EjectionSettings): number {
  let times = 0;
  for (let ms = settings.baseMs; ms < settings.maxMs && times < MAX_DOUBLINGS; ms *= 2) times++;
  return times;
}

/**
 * Whether so many of a service's peers, or all of them, are ejected that none is: then the fault is likely not theirs, and
 * the rest could not carry the load.
 */
export function isPanic(ejected: number, members: number, settings: EjectionSettings): boolean {
  return ejected > 0 && (ejected >= members || ejected * 100 > members * settings.maxEjectedPercent);
}
