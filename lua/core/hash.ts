/**
 * 32-bit hashes that are the same in LuaJIT and in Node. Products are split so that every intermediate result stays
 * below 2^53, and xor results are made unsigned again, because LuaJIT's bit operations are signed.
 *
 * Texts are byte strings: one character a byte. Lua's strings are; Node passes UTF-8 bytes as a latin1 string.
 */

const TWO_32 = 4294967296;
const FNV_OFFSET = 2166136261;

/** FNV-1a (Fowler, Noll, Vo) over bytes, then mixed, since FNV alone spreads short keys badly. */
export function hashText(text: string): number {
  return mix32(fnv1a(text));
}

/** A second hash of the same text that does not collide where the first one does: a polynomial, then mixed. */
export function hashTextAgain(text: string): number {
  let hash = text.length;
  // The multiplier is below 2^21, so that products are exact.
  for (let i = 0; i < text.length; i++) hash = (hash * 1664525 + text.charCodeAt(i)) % TWO_32;
  return mix32(hash);
}

function fnv1a(text: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < text.length; i++) {
    hash = unsigned(hash ^ text.charCodeAt(i));
    // Times 16777619, which is 2^24 + 403, modulo 2^32.
    hash = (hash * 403 + (hash % 256) * 16777216) % TWO_32;
  }
  return hash;
}

/** The finalizer of MurmurHash3 (A. Appleby): every input bit changes every output bit with probability one half. */
export function mix32(value: number): number {
  let hash = value;
  hash = unsigned(hash ^ Math.floor(hash / 65536));
  hash = multiply32(hash, 0x85ebca6b);
  hash = unsigned(hash ^ Math.floor(hash / 8192));
  hash = multiply32(hash, 0xc2b2ae35);
  return unsigned(hash ^ Math.floor(hash / 65536));
}

function multiply32(a: number, b: number): number {
  const low = a % 65536;
  const high = Math.floor(a / 65536);
  return (low * b + ((high * b) % 65536) * 65536) % TWO_32;
}

function unsigned(value: number): number {
  return value < 0 ? value + TWO_32 : value;
}
