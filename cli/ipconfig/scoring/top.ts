/** One that is on the list keeps its place until another one is better by this much. */
const HYSTERESIS = 0.1;

/**
 * Chooses the K best, with hysteresis at the border, so that two of about the same score do not change places all the time.
 * @param scores by id; instances of score 0 are down and are not chosen
 * @param before those that were chosen the last time
 */
export function chooseTop(
  scores: ReadonlyMap<string, number>,
  count: number,
  before: ReadonlySet<string>,
): Set<string> {
  const ranked = [...scores]
    .filter(([, score]) => score > 0)
    .map(([id, score]) => ({ id, rank: score + (before.has(id) ? HYSTERESIS : 0) }))
    .sort((a, b) => b.rank - a.rank || (a.id < b.id ? -1 : 1));
  return new Set(ranked.slice(0, count).map(({ id }) => id));
}
