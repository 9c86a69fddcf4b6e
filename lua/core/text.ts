const HEX_DIGITS = "0123456789abcdef";
const MOST_ESCAPED_BYTES = 80;
export const MAX_TEXT_BYTES = 512;

/** Lua's strings are bytes, JavaScript's are UTF-16: this character is two of the one and one of the other. */
const STRINGS_ARE_BYTES = "é".length === 2;

/**
 * External text, made safe for a log line or an error: printable ASCII stays, every other byte of its UTF-8 becomes
 * `\xNN`, and more than 80 bytes are cut. A line break in a name could otherwise forge a log line.
 */
export function escapeText(text: string): string {
  const bytes = utf8Bytes(text);
  let escaped = "";
  for (let i = 0; i < bytes.length && i < MOST_ESCAPED_BYTES; i++) {
    const byte = bytes[i]!;
    if (byte >= 32 && byte <= 126 && byte !== 92) escaped += String.fromCharCode(byte);
    else escaped += `\\x${HEX_DIGITS.charAt(Math.floor(byte / 16))}${HEX_DIGITS.charAt(byte % 16)}`;
  }
  return bytes.length > MOST_ESCAPED_BYTES ? `${escaped}...` : escaped;
}

/** The length of a text in UTF-8 bytes, alike in both runtimes, so that Node accepts no text that nginx will refuse. */
export function utf8Length(text: string): number {
  return STRINGS_ARE_BYTES ? text.length : utf8Bytes(text).length;
}

/** Whether `value` is a text of at most 512 bytes in UTF-8, such as a reason or a metadata value. */
export function isText(value: unknown): value is string {
  return typeof value === "string" && utf8Length(value) <= MAX_TEXT_BYTES && !hasHalfPair(value);
}

/** Whether a text has half of a surrogate pair, for which there is no UTF-8 and nginx's JSON decoder has an error. */
export function hasHalfPair(text: string): boolean {
  if (STRINGS_ARE_BYTES) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isPair(text, i)) i++;
    else if (code >= 0xd800 && code <= 0xdfff) return true;
  }
  return false;
}

/** A fraction as a percentage with one decimal, alike in both runtimes: `0.3333` is `33.3 %`. */
export function formatPercent(fraction: number): string {
  const tenths = Math.floor(fraction * 1000 + 0.5);
  return `${Math.floor(tenths / 10)}.${tenths % 10} %`;
}

function utf8Bytes(text: string): number[] {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (STRINGS_ARE_BYTES || code < 0x80) {
      bytes.push(code);
    } else if (code < 0x800) {
      bytes.push(0xc0 + Math.floor(code / 64), continuation(code));
    } else if (isPair(text, i)) {
      const point = 0x10000 + (code - 0xd800) * 1024 + (text.charCodeAt(i + 1) - 0xdc00);
      bytes.push(0xf0 + Math.floor(point / 262144), continuation(point / 4096), continuation(point / 64));
      bytes.push(continuation(point));
      i++;
    } else {
      bytes.push(0xe0 + Math.floor(code / 4096), continuation(code / 64), continuation(code));
    }
  }
  return bytes;
}

function continuation(bits: number): number {
  return 0x80 + (Math.floor(bits) % 64);
}

/** Whether a surrogate pair, a character above U+FFFF, begins at a place of a UTF-16 text. */
function isPair(text: string, place: number): boolean {
  const high = text.charCodeAt(place);
  if (high < 0xd800 || high > 0xdbff || place + 1 >= text.length) return false;
  const low = text.charCodeAt(place + 1);
  return low >= 0xdc00 && low <= 0xdfff;
}
