/** What is remembered of a peer's latency falls to about a third of it in this time, unless it is measured again. */
const MEMORY_MS = 4000;

/**
 * The part that is left of a memory after a while: about e^(-x), as a quotient, because exp() differs between runtimes
 * in its last digit.
 */
function remembered(elapsedMs: number): number {
  const x = Math.max(0, elapsedMs) / MEMORY_MS;
  return 1 / (1 + x * (1 + (x / 2) * (1 + (x / 3) * (1 + x / 4))));
}

/**
 * A peer's latency as of now. It fades while nothing is measured, so that a peer that was slow once is tried again.
 * @param latencyMs as of `measuredAtMs`
 */
export function fadedLatency(latencyMs: number, measuredAtMs: number, nowMs: number): number {
  return latencyMs * remembered(nowMs - measuredAtMs);
}

/**
 * The latency after one more measurement: a peak-sensitive moving average (peak EWMA, as in Finagle and ingress-nginx),
 * which takes a slow answer at its word and forgets it slowly.
 */
export function nextLatency(latencyMs: number, measuredAtMs: number, sampleMs: number, nowMs: number): number {
  // Asked this way round, so that what is not a number does not stay.
  if (!(sampleMs < latencyMs)) return sampleMs;
  const kept = remembered(nowMs - measuredAtMs);
  return latencyMs * kept + sampleMs * (1 - kept);
}
