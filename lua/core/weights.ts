import { roundHalfUp } from "./numbers.ts";
import type { Mode, Override, Peer, PeerState } from "./types.ts";

/** Half of the distance between a fallback weight and the base weight is gone after this time. */
export const FALLBACK_HALF_LIFE_MS = 60_000;

/** Fallback weights move in steps, twelve a half-life, so that tables are rebuilt once in five seconds at most. */
const STEPS_PER_HALF_LIFE = 12;
const STEP_FACTOR = 0.9438743126816935; // 2^(-1/12); multiplied up, because pow() differs between runtimes in its last digit
const MAX_STEP = STEPS_PER_HALF_LIFE * 12;

/** The weight of an instance by its score alone. One that has a base weight and is not down keeps at least 1. */
export function scoredWeight(baseWeight: number, score: number): number {
  if (baseWeight === 0 || score === 0) return 0;
  return Math.max(1, roundHalfUp(baseWeight * score));
}

/** How many steps a list of this age has gone towards the base weights. */
export function fallbackStep(ageMs: number, halfLifeMs: number): number {
  return Math.min(MAX_STEP, Math.floor((Math.max(0, ageMs) * STEPS_PER_HALF_LIFE) / halfLifeMs));
}

/** The age in milliseconds at which the next step begins; undefined when the weights are as good as the base weights. */
export function nextFallbackStepAge(step: number, halfLifeMs: number): number | undefined {
  return step >= MAX_STEP ? undefined : ((step + 1) * halfLifeMs) / STEPS_PER_HALF_LIFE;
}

/** Whether an override is in force at `nowMs`. */
export function isLive(override: Override | undefined, nowMs: number): boolean {
  return override !== undefined && (override.expiresAt === undefined || override.expiresAt > nowMs);
}

/**
 * The weight of a peer when no ipconfig answers: an override keeps its weight until its expiry; any other weight
 * regresses to the base weight as the list ages, because old news deserves less trust.
 * @param step from `fallbackStep`
 */
export function fallbackWeight(peer: Peer, step: number, nowMs: number): number {
  if (isLive(peer.override, nowMs)) return peer.override!.weight;
  const weight = lastWeight(peer);
  let trust = 1;
  for (let i = 0; i < step; i++) trust *= STEP_FACTOR;
  const regressed = roundHalfUp(peer.baseWeight + (weight - peer.baseWeight) * trust);
  return weight > 0 ? Math.max(1, regressed) : regressed;
}

/** The weight from which a peer without a live override regresses in fallback. */
export function lastWeight(peer: Peer): number {
  return peer.override === undefined ? peer.weight : scoredWeight(peer.baseWeight, peer.score);
}

/**
 * The mode in which a router serves a list.
 * @param freshAgeMs since the last good answer of an ipconfig; negative when the clock was set back, which is no news either
 */
export function modeOf(listMode: Mode, freshAgeMs: number, staleAfterMs: number): Mode {
  return freshAgeMs > staleAfterMs || freshAgeMs < -staleAfterMs ? "fallback" : listMode;
}

/**
 * How a peer is.
 * @param weight the one in force
 * @param ejected whether it is left out for its answers
 */
export function stateOf(peer: Peer, weight: number, ejected: boolean): PeerState {
  if (weight === 0 && peer.override !== undefined && peer.override.weight === 0) return "drained";
  if (ejected) return "ejected";
  return peer.score === 0 ? "down" : "up";
}
