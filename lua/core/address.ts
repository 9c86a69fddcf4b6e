/** Whether `value` is an IPv4 literal in dotted decimal, without leading zeros. */
export function isIpv4(value: string): boolean {
  let octets = 0;
  let digits = 0;
  let octet = 0;
  for (let i = 0; i <= value.length; i++) {
    const code = i < value.length ? value.charCodeAt(i) : 46;
    if (code === 46) {
      if (digits === 0 || octet > 255) return false;
      octets++;
      digits = 0;
      octet = 0;
    } else {
      if (code < 48 || code > 57 || digits === 3 || (digits > 0 && octet === 0)) return false;
      octet = octet * 10 + (code - 48);
      digits++;
    }
  }
  return octets === 4;
}

/** Whether `value` is an IPv6 literal (RFC 4291, section 2.2) without a zone; a trailing IPv4 part is allowed. */
export function isIpv6(value: string): boolean {
  const length = value.length;
  if (length < 2 || length > 45) return false;
  let groups = 0;
  let compressed = false;
  let i = 0;
  if (value.charCodeAt(0) === 58) {
    if (value.charCodeAt(1) !== 58) return false;
    compressed = true;
    i = 2;
  }
  while (i < length) {
    const start = i;
    while (i < length && isHexDigit(value.charCodeAt(i))) i++;
    if (i < length && value.charCodeAt(i) === 46) {
      groups += 2;
      if (!isIpv4(value.slice(start))) return false;
      i = length;
      break;
    }
    if (i === start || i - start > 4) return false;
    groups++;
    if (i === length) break;
    if (value.charCodeAt(i) !== 58) return false;
    i++;
    if (i === length) return false;
    if (value.charCodeAt(i) === 58) {
      if (compressed) return false;
      compressed = true;
      i++;
    }
  }
  return compressed ? groups < 8 : groups === 8;
}

/** Whether `value` is an address that nginx can connect to without resolving a name. */
export function isIpLiteral(value: unknown): value is string {
  return typeof value === "string" && (isIpv4(value) || isIpv6(value));
}

/**
 * Whether `value` is a DNS name (RFC 1123) with at least one letter in its last label, so that a mistyped IPv4
 * address such as `10.0.0.300` is not taken for a name.
 */
export function isDnsName(value: unknown): value is string {
  if (typeof value !== "string") return false;
  const length = value.length;
  if (length < 1 || length > 253) return false;
  let labelLength = 0;
  let labelHasLetter = false;
  let previous = 46;
  for (let i = 0; i < length; i++) {
    const code = value.charCodeAt(i);
    if (code === 46) {
      if (labelLength === 0 || previous === 45) return false;
      labelLength = 0;
      labelHasLetter = false;
    } else {
      const letter = (code >= 97 && code <= 122) || (code >= 65 && code <= 90);
      const digit = code >= 48 && code <= 57;
      if (!letter && !digit && !(code === 45 && labelLength > 0)) return false;
      if (letter) labelHasLetter = true;
      labelLength++;
      if (labelLength > 63) return false;
    }
    previous = code;
  }
  return labelLength > 0 && previous !== 45 && labelHasLetter;
}

function isHexDigit(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70);
}
