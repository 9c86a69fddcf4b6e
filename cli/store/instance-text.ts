import type { Instance } from "./schemas.ts";

/** An instance in words for people, short enough for a line of the history. */

const LONGEST_VALUE = 60;
const MOST_KEYS = 8;

/** `demo-1 at 10.0.0.1:8080, weight 100, metadata version=v2 zone=a`. */
export function describeInstance(instance: Instance): string {
  const pairs = Object.entries(instance.metadata).map(([key, value]) => `${key}=${shorten(value)}`);
  const metadata = pairs.length === 0 ? "" : `, metadata ${listed(pairs, " ")}`;
  return `${instance.id} at ${endpointOf(instance)}, weight ${instance.weight}${metadata}`;
}

/** What differs: `demo-1: weight 50 (was 100), metadata version=v2 (was -)`. */
export function describeChange(before: Instance, after: Instance): string {
  const changes = [
    ...changed("at ", endpointOf(before), endpointOf(after)),
    ...changed("name ", before.name, after.name),
    ...changed("weight ", `${before.weight}`, `${after.weight}`),
    ...metadataChanges(before.metadata, after.metadata),
  ];
  return `${after.id}: ${changes.join(", ")}`;
}

function metadataChanges(before: Instance["metadata"], after: Instance["metadata"]): string[] {
  const [old, now] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  const changes = [...now].flatMap(([key, value]) => changed(`metadata ${key}=`, old.get(key), value));
  for (const [key, was] of old) if (!now.has(key)) changes.push(`metadata ${key} removed (was ${shorten(was)})`);
  return changes.length === 0 ? [] : [listed(changes, ", ")];
}

function changed(what: string, before: string | undefined, after: string): string[] {
  return before === after ? [] : [`${what}${shorten(after)} (was ${before === undefined ? "-" : shorten(before)})`];
}

function listed(texts: readonly string[], separator: string): string {
  const more = texts.length - MOST_KEYS;
  return [...texts.slice(0, MOST_KEYS), ...(more > 0 ? [`and ${more} more`] : [])].join(separator);
}

function shorten(text: string): string {
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}

function endpointOf({ address, port }: Instance): string {
  return `${address.includes(":") ? `[${address}]` : address}:${port}`;
}
