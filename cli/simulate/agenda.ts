/** Something that ends at a time. */
export interface Ending {
  readonly endsMs: number;
}

/** What is under way, as a binary heap by when it ends. */
export class Agenda<T extends Ending> {
  private readonly heap: T[] = [];

  /** When the first one ends; infinity when nothing is under way. */
  firstMs(): number {
    return this.heap.length === 0 ? Number.POSITIVE_INFINITY : this.heap[0]!.endsMs;
  }

  add(item: T): void {
    const { heap } = this;
    let at = heap.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.endsMs <= item.endsMs) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = item;
  }

  /** Takes the first one out; there must be one. */
  removeFirst(): T {
    const { heap } = this;
    const first = heap[0]!;
    const moved = heap.pop()!;
    const count = heap.length;
    if (count === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= count) break;
      if (child + 1 < count && heap[child + 1]!.endsMs < heap[child]!.endsMs) child++;
      if (heap[child]!.endsMs >= moved.endsMs) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = moved;
    return first;
  }
}
