import { closest, distance } from "fastest-levenshtein";

/** `did you mean demo?` where one of the names is near what was typed; nothing otherwise. */
export function suggestion(text: string, names: readonly string[]): string {
  if (names.length === 0) return "";
  const nearest = closest(text, names as string[]);
  return distance(text, nearest) <= Math.max(2, text.length / 3) ? `did you mean ${nearest}?` : "";
}
