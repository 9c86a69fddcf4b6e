import { isIntegerWithin } from "./numbers.ts";
import { isRecord } from "./record.ts";
import { escapeText } from "./text.ts";

/** Checks of one field each: what is wrong, in words for whoever wrote it; undefined when it is valid or absent. */

/** A whole number within limits. */
export function checkWhole(
  path: string,
  record: Record<string, unknown>,
  key: string,
  least: number,
  most: number,
): string | undefined {
  const value = record[key];
  if (value === undefined || isIntegerWithin(value, least, most)) return undefined;
  return `${path}.${key}: must be a whole number from ${least} to ${most}`;
}

/** An object with no other keys than the known ones. */
export function checkObject(path: string, value: unknown, known: readonly string[]): string | undefined {
  if (!isRecord(value)) return `${path}: must be an object`;
  for (const key in value) {
    if (!known.includes(key)) {
      return `${path}: unknown key "${escapeText(`${key}`)}" (known: ${known.join(", ")})`;
    }
  }
  return undefined;
}
