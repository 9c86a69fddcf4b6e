/**
 * External text, made safe for a log line or an error: printable ASCII stays, everything else becomes `\xNN`,
 * and more than 80 characters are cut. A line break in a name could otherwise forge a log line.
 */
export function escapeText(text: string): string {
  let escaped = "";
  const length = Math.min(text.length, 80);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 32 && code <= 126 && code !== 92) escaped += text.charAt(i);
    else escaped += `\\x${hexDigit(Math.floor(code / 16) % 16)}${hexDigit(code % 16)}`;
  }
  return text.length > length ? `${escaped}...` : escaped;
}

function hexDigit(value: number): string {
  return "0123456789abcdef".charAt(value);
}

/** A fraction as a percentage with one decimal, alike in both runtimes: `0.3333` is `33.3 %`. */
export function formatPercent(fraction: number): string {
  const tenths = Math.floor(fraction * 1000 + 0.5);
  return `${Math.floor(tenths / 10)}.${tenths % 10} %`;
}
