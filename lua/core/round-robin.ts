/**
 * Smooth weighted round robin by earliest deadline first: a peer of weight w is due every 1/w, and the peer that is due
 * first is next. The order is as even as that of nginx's smooth weighted round robin, at O(log n) a pick instead of
 * O(n) (the schedule that Envoy uses: "EDF scheduler").
 *
 * The queue is a binary heap in arrays, changed in place by every pick.
 */
export interface RoundRobin {
  readonly heap: number[];
  /** Of peers: the length of a Lua table is found by a search. */
  readonly count: number;
  readonly deadlines: number[];
  readonly weights: readonly number[];
}

/**
 * @param weights at least one, each above 0
 * @param start 0 <= start < 1: where in the order to begin, so that workers do not all send their first request to the same peer
 */
export function buildRoundRobin(weights: readonly number[], start: number): RoundRobin {
  const count = weights.length;
  const offset = Math.floor(start * count);
  const deadlines: number[] = [];
  const heap: number[] = [];
  for (let i = 0; i < count; i++) {
    // The phases of the peers are spread over one period, so that equal peers take turns from a random place on.
    const place = i >= offset ? i - offset : i - offset + count;
    deadlines[i] = (place + 1) / count / weights[i]!;
    heap[i] = i;
  }
  const order: RoundRobin = { heap, count, deadlines, weights };
  for (let i = Math.floor(count / 2) - 1; i >= 0; i--) sink(order, i);
  return order;
}

/** The peer whose turn it is; its next turn is put into the order. */
export function nextInTurn(order: RoundRobin): number {
  const peer = order.heap[0]!;
  order.deadlines[peer] = order.deadlines[peer]! + 1 / order.weights[peer]!;
  sink(order, 0);
  return peer;
}

function sink(order: RoundRobin, from: number): void {
  const { heap, count, deadlines } = order;
  const peer = heap[from]!;
  let place = from;
  while (true) {
    let child = place * 2 + 1;
    if (child >= count) break;
    if (child + 1 < count && isEarlier(deadlines, heap[child + 1]!, heap[child]!)) child++;
    if (!isEarlier(deadlines, heap[child]!, peer)) break;
    heap[place] = heap[child]!;
    place = child;
  }
  heap[place] = peer;
}

function isEarlier(deadlines: readonly number[], peer: number, other: number): boolean {
  const difference = deadlines[peer]! - deadlines[other]!;
  return difference < 0 || (difference === 0 && peer < other);
}
