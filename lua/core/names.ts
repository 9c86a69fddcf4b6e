const MAX_NAME_LENGTH = 64;

/** Whether `value` may name a service, an instance, an exporter or a router: `^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && isNameLike(value, false);
}

/** Whether `value` may be a metadata key: the name rule, with capitals (`zone`, `statusPort`). */
export function isMetadataKey(value: unknown): value is string {
  return typeof value === "string" && isNameLike(value, true);
}

// Lower-casing the text first would not do: in JavaScript the lower case of U+212A, the Kelvin sign, is an ASCII `k`.
function isNameLike(text: string, capitals: boolean): boolean {
  const length = text.length;
  if (length < 1 || length > MAX_NAME_LENGTH) return false;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (isLowerOrDigit(code) || (capitals && code >= 65 && code <= 90)) continue;
    const inside = i > 0 && i < length - 1;
    if (!inside || (code !== 46 && code !== 95 && code !== 45)) return false;
  }
  return true;
}

function isLowerOrDigit(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 48 && code <= 57);
}
