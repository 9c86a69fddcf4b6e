/**
 * Whether `value` is an object with fields, as JSON has them. In Lua an empty array and an empty object are the same
 * table, so an empty array passes for an empty object in both runtimes.
 */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === undefined || value === null) return false;
  return !Array.isArray(value) || value.length === 0;
}
