import { hashShortText } from "./hash.ts";
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
  /** A point is its hash times `OWNERS`, plus its owner's index: one number, since building a ring is mostly memory traffic. */
  readonly points: readonly number[];
  /** Their number: the length of a Lua table is found by a search. */
  readonly count: number;
  /** `starts[b]` is the first point whose hash falls into bucket b or a later one. */
  readonly starts: readonly number[];
  readonly bucketWidth: number;
  readonly greatestWeight: number;
}

const TWO_32 = 4294967296;

/** More than a list may have; hashes times this are exact. */
const OWNERS = 32_768;

/** The shares of the keys are within some 0.7 / sqrt(POINTS * PROBES) of the weights, 6 %. Both are the same for every ring. */
const POINTS_PER_PEER = 8;
const PROBES = 16;

/** Of linear congruential sequences modulo 2^32 (Knuth; the constants of Numerical Recipes). Its products are exact. */
const MULTIPLIER = 1_664_525;

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
  const peers = ids.length;
  const total = peers * POINTS_PER_PEER;
  let greatestWeight = 0;
  for (const weight of weights) greatestWeight = Math.max(greatestWeight, weight);
  let buckets = 1;
  while (buckets * 2 <= total) buckets *= 2;
  const bucketWidth = TWO_32 / buckets;
  // Exact, as a power of two, and cheaper to multiply by than the width to divide by.
  const bucketsPerHash = 1 / bucketWidth;

  // A counting sort by bucket, then an insertion sort within each: one or two points fall into a bucket. Points are
  // calculated twice, which costs less than to keep them until they are counted.
  const points: number[] = [];
  const starts: number[] = [];
  const firsts: number[] = [];
  const increments: number[] = [];
  for (let bucket = 0; bucket < buckets + 2; bucket++) starts[bucket] = 0;
  let count = 0;
  for (let owner = 0; owner < peers; owner++) {
    // A peer's points are a linear congruential sequence of its own: where it starts, and how it goes on, are hashes of its id.
    let hash = hashShortText(ids[owner]!, 1_664_525);
    const second = hashShortText(ids[owner]!, 1_140_671);
    const increment = second + 1 - (second % 2);
    firsts[owner] = hash;
    increments[owner] = increment;
    for (let i = 0; i < POINTS_PER_PEER; i++) {
      points[count] = 0;
      count++;
      const bucket = Math.floor(hash * bucketsPerHash);
      starts[bucket + 2] = starts[bucket + 2]! + 1;
      hash = (hash * MULTIPLIER + increment) % TWO_32;
    }
  }
  for (let bucket = 1; bucket <= buckets; bucket++) starts[bucket + 1] = starts[bucket + 1]! + starts[bucket]!;
  // The entry after a bucket's own says where its next point goes; when it is full, that is where the next bucket starts.
  for (let owner = 0; owner < peers; owner++) {
    let hash = firsts[owner]!;
    const increment = increments[owner]!;
    for (let i = 0; i < POINTS_PER_PEER; i++) {
      const point = hash * OWNERS + owner;
      const bucket = Math.floor(hash * bucketsPerHash);
      let place = starts[bucket + 1]!;
      starts[bucket + 1] = place + 1;
      while (place > 0 && comesBefore(point, points[place - 1]!, ids)) {
        points[place] = points[place - 1]!;
        place--;
      }
      points[place] = point;
      hash = (hash * MULTIPLIER + increment) % TWO_32;
    }
  }
  return { points, count, starts, bucketWidth, greatestWeight };
}

/** Equal hashes are ordered by id, so that a ring does not depend on the order of the list. */
function comesBefore(point: number, other: number, ids: readonly string[]): boolean {
  if (point - other >= OWNERS) return false;
  const hash = hashOf(point);
  const otherHash = hashOf(other);
  return hash < otherHash || (hash === otherHash && ids[ownerOf(point)]! < ids[ownerOf(other)]!);
}

function hashOf(point: number): number {
  return Math.floor(point / OWNERS);
}

function ownerOf(point: number): number {
  return point % OWNERS;
}

/** The place on the ring of the first point at or after a hash; one past the last point where there is none. */
function findPoint(ring: HashRing, hash: number): number {
  const { points, starts } = ring;
  const least = hash * OWNERS;
  let place = starts[Math.floor(hash / ring.bucketWidth)]!;
  while (place < ring.count && points[place]! < least) place++;
  return place;
}

/** The next place from which a key is looked up: a linear congruential step. */
function nextProbe(probe: number): number {
  return (probe * MULTIPLIER + 1013904223) % TWO_32;
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
  const { points, count } = ring;
  let peer = -1;
  let least = Infinity;
  let stopAt = Infinity;
  let from = request.keyHash;
  for (let probe = 0; probe < PROBES; probe++) {
    const start = findPoint(ring, from);
    for (let step = 0; step < count; step++) {
      const ahead = start + step;
      const place = ahead < count ? ahead : ahead - count;
      const point = points[place]!;
      const distance = ahead < count ? hashOf(point) - from : hashOf(point) - from + TWO_32;
      if (distance >= stopAt) break;
      const owner = ownerOf(point);
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
  const { points, count } = ring;
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
      const point = points[place]!;
      const distance = ahead < count ? hashOf(point) - from : hashOf(point) - from + TWO_32;
      const owner = ownerOf(point);
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
