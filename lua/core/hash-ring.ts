import { hashText, hashTextAgain, mix32 } from "./hash.ts";
import { type PickRequest, wasTried } from "./pick-request.ts";

/**
 * A weighted consistent-hash ring (Karger et al., 1997): every peer owns points in proportion to its weight, and a key
 * belongs to the first point at or after its hash. The points of a peer depend on its id and weight alone, so when a
 * peer comes or goes, only its own keys move.
 *
 * Points are kept sorted by hash; the top bits of a hash index straight into them, so that a look-up is O(1).
 */
export interface HashRing {
  readonly hashes: readonly number[];
  readonly owners: readonly number[];
  /** `starts[b]` is the first point whose hash falls into bucket b or a later one. */
  readonly starts: readonly number[];
  readonly bucketWidth: number;
}

const TWO_32 = 4294967296;
const LEAST_BUDGET = 16384;
const MOST_BUDGET = 131072;
const POINTS_PER_PEER = 64;

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
  const scale = pointsPerWeight(weights);
  const counts: number[] = [];
  let total = 0;
  for (let i = 0; i < weights.length; i++) {
    const count = Math.max(1, Math.floor(weights[i]! * scale));
    counts[i] = count;
    total += count;
  }
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
    for (let point = 0; point < counts[i]!; point++) {
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
  return { hashes, owners, starts, bucketWidth };
}

/** Equal hashes are ordered by id, so that a ring does not depend on the order of the list. */
function comesBefore(hash: number, id: string, otherHash: number, otherId: string): boolean {
  return hash < otherHash || (hash === otherHash && id < otherId);
}

/**
 * How many points one unit of weight gets: a power of two, so that it rarely changes when weights do, and so that a
 * few peers get thousands of points each (shares within a few percent) while 10,000 peers stay affordable.
 */
function pointsPerWeight(weights: readonly number[]): number {
  let sum = 0;
  for (const weight of weights) sum += weight;
  let budget = LEAST_BUDGET;
  while (budget < MOST_BUDGET && budget < weights.length * POINTS_PER_PEER) budget *= 2;
  let scale = 1;
  while (sum * scale > budget) scale /= 2;
  while (sum * scale * 2 <= budget) scale *= 2;
  return scale;
}

/**
 * The place on the ring of the first point at or after a key's hash.
 * @param keyHash from `hashText`
 */
export function findPoint(ring: HashRing, keyHash: number): number {
  const count = ring.hashes.length;
  let place = ring.starts[Math.floor(keyHash / ring.bucketWidth)]!;
  while (place < count && ring.hashes[place]! < keyHash) place++;
  return place < count ? place : 0;
}

/**
 * The peer that owns a key; where it is full or was tried already, the next one along the ring (Mirrokni, Thorup and
 * Zadimoghaddam, "Consistent hashing with bounded loads", 2016). When all are full the owner takes the request.
 * @returns the index of a peer, -1 when every peer was tried
 */
export function pickFromRing(
  ring: HashRing,
  weights: readonly number[],
  totalWeight: number,
  request: PickRequest,
): number {
  const count = ring.owners.length;
  const start = findPoint(ring, request.keyHash);
  const fairLoad = (LOAD_BOUND * (request.totalInFlight + 1)) / totalWeight;
  let untried = -1;
  let last = -1;
  for (let step = 0; step < count; step++) {
    const place = start + step;
    const owner = ring.owners[place < count ? place : place - count]!;
    if (owner !== last && !wasTried(owner, request)) {
      const load = request.loads[owner];
      if (load === undefined || load.inFlight < LOAD_FLOOR || load.inFlight < fairLoad * weights[owner]!) return owner;
      if (untried < 0) untried = owner;
    }
    last = owner;
  }
  return untried;
}
