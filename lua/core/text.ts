const HEX_DIGITS = "0123456789abcdef";

/** Lua's strings are bytes, JavaScript's are UTF-16: this character is two of the one and one of the other. */
const STRINGS_ARE_BYTES = "é".length === 2;

/**
 * External text, made safe for a log line or an error: printable ASCII stays, everything else becomes `\xNN` (in Node
 * `\uNNNN` from U+0100 on), and more than 80 characters are cut. A line break in a name could otherwise forge a log line.
 */
export function escapeText(text: string): string {
  let escaped = "";
  const length = Math.min(text.length, 80);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 32 && code <= 126 && code !== 92) escaped += text.charAt(i);
    else escaped += code < 256 ? `\\x${hexByte(code)}` : `\\u${hexByte(Math.floor(code / 256))}${hexByte(code % 256)}`;
  }
  return text.length > length ? `${escaped}...` : escaped;
}

function hexByte(value: number): string {
  return HEX_DIGITS.charAt(Math.floor(value / 16)) + HEX_DIGITS.charAt(value % 16);
}

/**
 * The length of a text in UTF-8 bytes, alike in both runtimes, so that Node accepts no text that nginx will refuse.
 * @returns undefined for a text with half of a surrogate pair, for which UTF-8 has no bytes and cjson an error
 */
export function utf8Length(text: string): number | undefined {
  if (STRINGS_ARE_BYTES) return text.length;
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0xd800 && code <= 0xdfff) {
      const next = i + 1 < text.length ? text.charCodeAt(i + 1) : 0;
      if (code > 0xdbff || next < 0xdc00 || next > 0xdfff) return undefined;
      bytes += 4;
      i++;
    } else bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
  }
  return bytes;
}

/** A fraction as a percentage with one decimal, alike in both runtimes: `0.3333` is `33.3 %`. */
export function formatPercent(fraction: number): string {
  const tenths = Math.floor(fraction * 1000 + 0.5);
  return `${Math.floor(tenths / 10)}.${tenths % 10} %`;
}
