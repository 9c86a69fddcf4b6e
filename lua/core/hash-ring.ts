import { hashText, hashTextAgain, mix32 } from "./hash.ts";
import { type PickRequest, wasTried } from "./pick-request.ts";

/**
 * Weighted consistent hashing: peers own points on a ring (Karger et al., 1997), a key is looked up from several places
 * (Appleton and O'Reilly, "Multi-probe consistent hashing", 2015), and the peer at the least distance divided by its
 * weight takes it. A peer's part of the keys is then in proportion to its weight, and how near a peer is to a key depends
 * on its own id and weight alone: when a peer comes, goes or changes, only keys of its own move. Points in proportion to
 * weights would not do: their number would have to follow the sum of the weights, and all points would change with it.
 *
 * Points are kept sorted by hash; the top bits of a hash index straight into them, so that a look-up is O(1).
 */
export interface HashRing {
  readonly hashes: readonly number[];
  readonly owners: readonly number[];
  /** `starts[b]` is the first point whose hash falls into bucket b or a later one. */
  readonly starts: readonly number[];
  readonly bucketWidth: number;
  readonly greatestWeight: number;
}

const TWO_32 = 4294967296;

/** The shares of the keys are within some 0.7 / sqrt(POINTS * PROBES) of the weights, 3 %. Both are the same for every ring. */
const POINTS_PER_PEER = 32;
const PROBES = 16;

/** Bounded load: a peer takes at most this many times its fair part of the requests in flight. */
const LOAD_BOUND = 1.25;

/** Up to here a peer is never full: at small numbers the bound would only break affinity by chance. */
const LOAD_FLOOR = 64;

/**
 * Builds a ring in O(points).
 * @param ids the peers' ids, each once
 * @param weights of the same peers, each above 0
 */
export function buildHashRing(ids: readonly string[], weights: readonly number[]): HashRing {
  const total = ids.length * POINTS_PER_PEER;
  let greatestWeight = 0;
  for (const weight of weights) greatestWeight = Math.max(greatestWeight, weight);
  let buckets = 1;
  while (buckets < total) buckets *= 2;
  const bucketWidth = TWO_32 / buckets;

  // A counting sort by bucket, then an insertion sort within each: about one point falls into a bucket.
  const unsortedHashes: number[] = [];
  const unsortedOwners: number[] = [];
  const starts: number[] = [];
  for (let bucket = 0; bucket <= buckets; bucket++) starts[bucket] = 0;
  let filled = 0;
  for (let i = 0; i < ids.length; i++) {
    const first = hashText(ids[i]!);
    const second = hashTextAgain(ids[i]!);
    const stride = second % 2 === 0 ? second + 1 : second;
    let seed = first;
    for (let point = 0; point < POINTS_PER_PEER; point++) {
      const hash = mix32(seed);
      seed = (seed + stride) % TWO_32;
      unsortedHashes[filled] = hash;
      unsortedOwners[filled] = i;
      filled++;
      const bucket = Math.floor(hash / bucketWidth);
      starts[bucket + 1] = starts[bucket + 1]! + 1;
    }
  }
  for (let bucket = 0; bucket < buckets; bucket++) starts[bucket + 1] = starts[bucket + 1]! + starts[bucket]!;

  const hashes: number[] = [];
  const owners: number[] = [];
  const ends: number[] = [];
  for (let i = 0; i < filled; i++) {
    hashes[i] = 0;
    owners[i] = 0;
  }
  for (let bucket = 0; bucket < buckets; bucket++) ends[bucket] = starts[bucket]!;
  for (let i = 0; i < filled; i++) {
    const hash = unsortedHashes[i]!;
    const owner = unsortedOwners[i]!;
    const bucket = Math.floor(hash / bucketWidth);
    const start = starts[bucket]!;
    let place = ends[bucket]!;
    while (place > start && comesBefore(hash, ids[owner]!, hashes[place - 1]!, ids[owners[place - 1]!]!)) {
      hashes[place] = hashes[place - 1]!;
      owners[place] = owners[place - 1]!;
      place--;
    }
    hashes[place] = hash;
    owners[place] = owner;
    ends[bucket] = ends[bucket]! + 1;
  }
  return { hashes, owners, starts, bucketWidth, greatestWeight };
}

/** Equal hashes are ordered by id, so that a ring does not depend on the order of the list. */
function comesBefore(hash: number, id: string, otherHash: number, otherId: string): boolean {
  return hash < otherHash || (hash === otherHash && id < otherId);
}

/** The place on the ring of the first point at or after a hash; one past the last point where there is none. */
function findPoint(ring: HashRing, hash: number): number {
  const count = ring.hashes.length;
  let place = ring.starts[Math.floor(hash / ring.bucketWidth)]!;
  while (place < count && ring.hashes[place]! < hash) place++;
  return place;
}

/** The next place from which a key is looked up: a linear congruential step (Knuth; the constants of Numerical Recipes). */
function nextProbe(probe: number): number {
  return (probe * 1664525 + 1013904223) % TWO_32;
}

/**
 * The peer that is nearest to a key; where it is full or was tried already, the next nearest (Mirrokni, Thorup and
 * Zadimoghaddam, "Consistent hashing with bounded loads", 2016). When all are full the nearest takes the request.
 * @returns the index of a peer, -1 when every peer was tried
 */
export function pickFromRing(
  ring: HashRing,
  weights: readonly number[],
  totalWeight: number,
  request: PickRequest,
): number {
  // Multiplied out on both sides, so that no rounding lets one request more through.
  const bound = LOAD_BOUND * (request.totalInFlight + 1);
  const peer = nearest(ring, weights, totalWeight, bound, request);
  return peer < 0 ? nearest(ring, weights, totalWeight, Infinity, request) : peer;
}

/** The nearest peer that was not tried and has less than its part of `bound` requests in flight, else -1. */
function nearest(
  ring: HashRing,
  weights: readonly number[],
  totalWeight: number,
  bound: number,
  request: PickRequest,
): number {
  const count = ring.hashes.length;
  let peer = -1;
  let least = Infinity;
  let stopAt = Infinity;
  let from = request.keyHash;
  for (let probe = 0; probe < PROBES; probe++) {
    const start = findPoint(ring, from);
    for (let step = 0; step < count; step++) {
      const ahead = start + step;
      const place = ahead < count ? ahead : ahead - count;
      const distance = ahead < count ? ring.hashes[place]! - from : ring.hashes[place]! - from + TWO_32;
      if (distance >= stopAt) break;
      const owner = ring.owners[place]!;
      const weight = weights[owner]!;
      const remoteness = distance / weight;
      if (remoteness >= least || wasTried(owner, request)) continue;
      const load = request.loads[owner];
      const inFlight = load === undefined ? 0 : load.inFlight;
      if (inFlight < LOAD_FLOOR || inFlight * totalWeight < bound * weight) {
        peer = owner;
        least = remoteness;
        stopAt = least * ring.greatestWeight;
      }
    }
    from = nextProbe(from);
  }
  return peer;
}

/** All peers, the nearest to a key first: the order in which `pickFromRing` would try them while none is full. */
export function ringOrder(ring: HashRing, weights: readonly number[], keyHash: number): number[] {
  const count = ring.hashes.length;
  const remoteness: number[] = [];
  const foundAt: number[] = [];
  const order: number[] = [];
  for (let peer = 0; peer < weights.length; peer++) {
    remoteness[peer] = Infinity;
    foundAt[peer] = 0;
    order[peer] = peer;
  }
  let from = keyHash;
  for (let probe = 0; probe < PROBES; probe++) {
    const start = findPoint(ring, from);
    for (let step = 0; step < count; step++) {
      const ahead = start + step;
      const place = ahead < count ? ahead : ahead - count;
      const distance = ahead < count ? ring.hashes[place]! - from : ring.hashes[place]! - from + TWO_32;
      const owner = ring.owners[place]!;
      if (distance / weights[owner]! < remoteness[owner]!) {
        remoteness[owner] = distance / weights[owner]!;
        foundAt[owner] = probe * count + step;
      }
    }
    from = nextProbe(from);
  }
  return order.sort((a, b) =>
    remoteness[a] !== remoteness[b] ? remoteness[a]! - remoteness[b]! : foundAt[a]! - foundAt[b]!,
  );
}
