/** A peer that is slow, and is not measured again, is as good as any other after this time. */
const FORGOTTEN_MS = 8000;
const FADING_PER_MS = 1 / FORGOTTEN_MS;

/** The time constant of the moving average. */
const AVERAGE_MS = 3000;

/** So much of it is left after an answer, however old it is: a peer that is tried once in a while may be fast by chance. */
const LEAST_KEPT = 0.5;

/**
 * A peer's latency as of now. It fades evenly while nothing is measured, so that a peer that was slow once is tried again,
 * and one that was very slow not much later.
 * @param latencyMs as of `measuredAtMs`
 */
export function fadedLatency(latencyMs: number, measuredAtMs: number, nowMs: number): number {
  const left = Math.max(0, 1 - Math.max(0, nowMs - measuredAtMs) * FADING_PER_MS);
  return latencyMs * left;
}

/**
 * The latency after one more measurement: a peak-sensitive moving average (peak EWMA, as in Finagle and ingress-nginx),
 * which takes a slow answer at its word and forgets it slowly.
 */
export function nextLatency(latencyMs: number, measuredAtMs: number, sampleMs: number, nowMs: number): number {
  // Asked this way round, so that what is not a number does not stay.
  if (!(sampleMs < latencyMs)) return sampleMs;
  const kept = Math.min(1, Math.max(LEAST_KEPT, 1 - (nowMs - measuredAtMs) / AVERAGE_MS));
  return latencyMs * kept + sampleMs * (1 - kept);
}
