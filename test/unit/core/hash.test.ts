import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hashShortText, hashText, mix32 } from "../../../lua/core/hash.ts";

const KEYS = 50_000;

/** The finalizer of MurmurHash3 as its author wrote it, on JavaScript's own 32-bit operations. */
function fmix32(value: number): number {
  let hash = value >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function fnv1a(bytes: Uint8Array, seed: number): number {
  let hash = seed;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 16_777_619);
  return hash >>> 0;
}

/** Of groups of four bytes, the rest the last of them, also where it is empty. */
function polynomial(bytes: Uint8Array, multiplier: number): number {
  let hash = BigInt(bytes.length);
  for (let from = 0; from <= bytes.length - (bytes.length % 4); from += 4) {
    let group = 0n;
    for (const byte of bytes.slice(from, from + 4)) group = group * 256n + BigInt(byte);
    hash = (hash * BigInt(multiplier) + group) % 2n ** 32n;
  }
  return Number(hash);
}

describe("hash", () => {
  it("mixes as MurmurHash3 does", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_294_967_295 }), (value) => {
        expect(mix32(value)).toBe(fmix32(value));
      }),
    );
  });

  it("is FNV-1a of the bytes, or a polynomial of groups of four, mixed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const text = Buffer.from(bytes).toString("latin1");
        expect(hashText(text)).toBe(fmix32(fnv1a(bytes, 0x811c9dc5)));
        expect(hashShortText(text, 1_664_525)).toBe(fmix32(polynomial(bytes, 1_664_525)));
      }),
    );
  });

  it.each([
    ["numbered users", (i: number) => `user-${i}`],
    ["bare numbers", (i: number) => `${i}`],
    ["addresses", (i: number) => `10.0.${Math.floor(i / 256)}.${i % 256}`],
    ["one long prefix", (i: number) => `${"x".repeat(60)}${i}`],
  ])("spreads %s evenly over 16 parts, by its upper and by its lower bits", (_, key) => {
    const upper = new Array<number>(16).fill(0);
    const lower = new Array<number>(16).fill(0);
    for (let i = 0; i < KEYS; i++) {
      const hash = hashText(key(i));
      upper[Math.floor(hash / 2 ** 28)]!++;
      lower[hash % 16]!++;
    }
    for (const count of [...upper, ...lower]) expect(Math.abs(count / (KEYS / 16) - 1)).toBeLessThan(0.1);
  });

  it("changes about half of the bits when a key changes in one", () => {
    let changed = 0;
    for (let i = 0; i < 1000; i++) {
      const bits = hashText(`user-${i}a`) ^ hashText(`user-${i}c`);
      changed += (bits >>> 0).toString(2).replaceAll("0", "").length;
    }
    expect(changed / 1000).toBeGreaterThan(15);
    expect(changed / 1000).toBeLessThan(17);
  });

  it("has texts that collide with one multiplier apart with another", () => {
    const ids = new Map<number, string>();
    let collisions = 0;
    for (let i = 0; i < 200_000; i++) {
      const id = `instance-${i}`;
      const other = ids.get(hashShortText(id, 1_664_525));
      if (other !== undefined) {
        collisions++;
        expect(hashShortText(id, 1_140_671)).not.toBe(hashShortText(other, 1_140_671));
      }
      ids.set(hashShortText(id, 1_664_525), id);
    }
    // 200,000 keys in 2^32 places collide 4.7 times on average.
    expect(collisions).toBeLessThan(20);
  });
});
