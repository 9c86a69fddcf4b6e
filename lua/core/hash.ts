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

/**
 * A hash of short texts at half the cost of `hashText`: a polynomial of groups of four bytes, then mixed.
 * @param multiplier odd and below 2^20.9, so that products are exact; texts that collide with one do not with another
 */
export function hashShortText(text: string, multiplier: number): number {
  const length = text.length;
  let hash = length;
  let i = 0;
  while (i + 4 <= length) {
    const high = text.charCodeAt(i) * 256 + text.charCodeAt(i + 1);
    const low = text.charCodeAt(i + 2) * 256 + text.charCodeAt(i + 3);
    hash = (hash * multiplier + high * 65536 + low) % TWO_32;
    i += 4;
  }
  let rest = 0;
  while (i < length) {
    rest = rest * 256 + text.charCodeAt(i);
    i++;
  }
  return mix32((hash * multiplier + rest) % TWO_32);
}

function fnv1a(text: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < text.length; i++) {
    const before = hash % 256;
    const low = before ^ text.charCodeAt(i);
    // Times 16777619, which is 2^24 + 403, modulo 2^32.
    hash = ((hash - before + low) * 403 + low * 16777216) % TWO_32;
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
  // Without a branch: which way it goes is anybody's guess.
  return value - Math.floor(value / TWO_32) * TWO_32;
}
