import type { Position, ServiceList } from "../core/types.ts";
import { routes, state } from "./dicts.ts";
import { decodeJson, encodeJson } from "./json.ts";

/** The lists in shared memory: one key a service, written under a new key and then switched to. */

const HEAD = "head";
const NAMES = "names";
const LEFT = "left";

/** `EPOCH REVISION` of the newest snapshot taken, as one text to compare; undefined before the first one. */
export function headText(): string | undefined {
  return routes.get(HEAD) as string | undefined;
}

/** Where the router is; undefined before the first snapshot. */
export function currentPosition(): Position | undefined {
  const head = headText();
  return head === undefined ? undefined : parsePosition(head);
}

export function parsePosition(text: string): Position | undefined {
  const [epoch, revision] = string.match(text, "^(%S+) (%d+)$");
  return epoch === undefined ? undefined : { epoch, revision: tonumber(revision)! };
}

/** Says that every list up to this position is in place. Comes after the lists. */
export function setPosition(position: Position): void {
  const before = currentPosition();
  if (before !== undefined && before.epoch !== position.epoch) leaveEpoch(before.epoch);
  routes.set(HEAD, `${position.epoch} ${string.format("%d", position.revision)}`);
}

/** The last epochs that were left, so that a replica that lags can't lead back. */
export function leftEpochs(): string[] {
  const epochs: string[] = [];
  for (const [epoch] of string.gmatch(leftEpochsText(), "[^,]+")) epochs[epochs.length] = epoch!;
  return epochs;
}

/** The same, separated by commas. */
export function leftEpochsText(): string {
  return (state.get(LEFT) as string | undefined) ?? "";
}

export function setLeftEpochs(text: string): void {
  state.set(LEFT, text);
}

function leaveEpoch(epoch: string): void {
  const epochs = leftEpochs();
  const kept: string[] = [epoch];
  for (const other of epochs) {
    if (other !== epoch && kept.length < 8) kept[kept.length] = other;
  }
  setLeftEpochs(table.concat(kept, ","));
}

/** The names of all services. */
export function serviceNames(): string[] {
  const names: string[] = [];
  const version = routes.get(NAMES) as number | undefined;
  const text = version === undefined ? "" : ((routes.get(`${NAMES}:${version}`) as string | undefined) ?? "");
  for (const [name] of string.gmatch(text, "[^\n]+")) names[names.length] = name!;
  return names;
}

/** A failed safe_set deletes what was there, so the names too are written under a new key and then switched to. */
export function setServiceNames(names: readonly string[]): LuaMultiReturn<[boolean, string?]> {
  const before = routes.get(NAMES) as number | undefined;
  const version = (before ?? 0) + 1;
  const [stored, error] = routes.safe_set(`${NAMES}:${version}`, table.concat(names as string[], "\n"));
  if (!stored) return $multi(false, error);
  routes.set(NAMES, version);
  if (before !== undefined) routes.delete(`${NAMES}:${before}`);
  return $multi(true);
}

/** The version of a service's list in this router; undefined when there is no such service. */
export function versionOf(service: string): number | undefined {
  return routes.get(`version:${service}`) as number | undefined;
}

/** A service's list as text: its checksum, a blank, and the JSON. */
export function listText(service: string): LuaMultiReturn<[string | undefined, number | undefined]> {
  // A list may be replaced between the two reads: then the version tells.
  for (let attempt = 0; attempt < 3; attempt++) {
    const version = versionOf(service);
    if (version === undefined) return $multi(undefined, undefined);
    const text = routes.get(`list:${service}:${version}`) as string | undefined;
    if (text !== undefined) return $multi(text, version);
  }
  return $multi(undefined, undefined);
}

/** A service's list, decoded, and its version. */
export function readList(service: string): LuaMultiReturn<[ServiceList | undefined, number | undefined]> {
  const [text, version] = listText(service);
  if (text === undefined) return $multi(undefined, undefined);
  const [list] = decodeJson(string.sub(text, 10));
  return $multi(list as ServiceList | undefined, version);
}

/** Puts a list in place of the one before. On an error (no memory) the one before stays. */
export function storeList(service: string, list: ServiceList): LuaMultiReturn<[boolean, string?]> {
  const json = encodeJson(list);
  return storeListText(service, `${string.format("%08x", ngx.crc32_long(json))} ${json}`);
}

export function storeListText(service: string, text: string): LuaMultiReturn<[boolean, string?]> {
  const before = versionOf(service);
  const [version, countError] = routes.incr("versions", 1, 0);
  if (version === undefined) return $multi(false, countError);
  const [stored, error] = routes.safe_set(`list:${service}:${version}`, text);
  if (!stored) return $multi(false, error);
  const [switched, switchError] = routes.safe_set(`version:${service}`, version);
  if (!switched) {
    routes.delete(`list:${service}:${version}`);
    return $multi(false, switchError);
  }
  if (before !== undefined) routes.delete(`list:${service}:${before}`);
  return $multi(true);
}

export function removeList(service: string): void {
  const version = versionOf(service);
  if (version === undefined) return;
  routes.delete(`version:${service}`);
  routes.delete(`list:${service}:${version}`);
}
