import { MAX_OPERATIONS, type Operation, type Store } from "../../cli/store/etcd.ts";

/** So many services of so many instances each. */
export interface Shape {
  readonly services: number;
  readonly instances: number;
}

/** Services and instances in etcd, and what can happen to them. Every call resolves with the newest revision. */
export interface Fleet {
  readonly shape: Shape;
  readonly names: readonly string[];
  /** Where a router serves each service. */
  readonly paths: readonly string[];
  /** Everything as it is at the beginning. */
  write(): Promise<number>;
  /** One instance gets another weight. */
  changeOne(): Promise<number>;
  /** So many instances, spread over all services, get other weights: in transactions of a hundred, evenly over a while. */
  changeMany(count: number, milliseconds: number): Promise<number>;
  /** So many updates, a few in each transaction, as fast as they go: other weights, other metadata, other instances. */
  churn(updates: number): Promise<number>;
}

const WRITERS = 8;
const UPDATES_AT_ONCE = 8;

/** One instance's place in the fleet; another instance may have taken it since. */
interface Slot {
  readonly service: string;
  readonly index: number;
  generation: number;
}

/** @param ports where the instances answer */
export function createFleet(store: Store, shape: Shape, ports: readonly number[]): Fleet {
  const names = Array.from({ length: shape.services }, (_, index) => `s-${index}`);
  const slots = names.flatMap((service) =>
    Array.from({ length: shape.instances }, (_, index): Slot => ({ service, index, generation: 0 })),
  );
  // Steps that share no divisor with the number of slots come to all of them, far from each other.
  const stride = 7919;
  let position = 0;
  const nextSlot = (): Slot => {
    position = (position + stride) % slots.length;
    return slots[position]!;
  };
  const keyOf = (slot: Slot): string => store.keys.instance(slot.service, idOf(slot));
  const put = (slot: Slot, weight: number, metadata: Record<string, string>): Operation => {
    const id = idOf(slot);
    const port = ports[slot.index % ports.length];
    return {
      put: keyOf(slot),
      value: JSON.stringify({ id, name: id, address: "127.0.0.1", port, weight, metadata }),
    };
  };
  const commit = async (operations: readonly Operation[]): Promise<number> =>
    (await store.commit([{ key: store.keys.instance("none", "none"), modRevision: 0 }], operations)).revision;
  const original = (slot: Slot): Operation[] => {
    const gone: Operation[] = slot.generation === 0 ? [] : [{ delete: keyOf(slot) }];
    slot.generation = 0;
    return [...gone, put(slot, 100, {})];
  };
  const otherWeight = (slot: Slot): Operation => put(slot, 50 + Math.floor(Math.random() * 100), {});
  const anyUpdate = (update: number): Operation[] => {
    const slot = nextSlot();
    if (update % 10 === 0) {
      const gone: Operation = { delete: keyOf(slot) };
      slot.generation++;
      return [gone, otherWeight(slot)];
    }
    if (update % 10 === 1) return [put(slot, 100, { note: "x".repeat(Math.floor(Math.random() * 200)) })];
    return [otherWeight(slot)];
  };

  return {
    shape,
    names,
    paths: names.map((name) => `/${name}/`),
    write: async () => {
      const operations = slots.flatMap(original);
      const groups = groupsOf(operations, MAX_OPERATIONS);
      return inParallel(groups.length, WRITERS, (index) => commit(groups[index]!));
    },
    changeOne: () => commit([otherWeight(nextSlot())]),
    changeMany: async (count, milliseconds) => {
      const started = performance.now();
      let revision = 0;
      for (let done = 0; done < count; done += MAX_OPERATIONS) {
        const dueMs = started + (milliseconds * done) / count - performance.now();
        if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs));
        const size = Math.min(MAX_OPERATIONS, count - done);
        revision = await commit(Array.from({ length: size }, () => otherWeight(nextSlot())));
      }
      return revision;
    },
    churn: (updates) =>
      inParallel(updates / UPDATES_AT_ONCE, WRITERS, (group) =>
        commit(
          Array.from({ length: UPDATES_AT_ONCE }, (_, index) => anyUpdate(group * UPDATES_AT_ONCE + index)).flat(),
        ),
      ),
  };
}

function idOf({ index, generation }: Slot): string {
  return generation === 0 ? `i-${index}` : `i-${index}-${generation}`;
}

function groupsOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, group) =>
    items.slice(group * size, (group + 1) * size),
  );
}

/** Does so many things, some of them at a time. @returns the newest of the revisions */
async function inParallel(count: number, atOnce: number, act: (index: number) => Promise<number>): Promise<number> {
  let next = 0;
  let newest = 0;
  const work = async (): Promise<void> => {
    while (next < count) newest = Math.max(newest, await act(next++));
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return newest;
}
