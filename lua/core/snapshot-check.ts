import { isIpLiteral } from "./address.ts";
import { isMetadataKey, isName } from "./names.ts";
import { isIntegerWithin, MAX_BASE_WEIGHT, MAX_PORT, MAX_WEIGHT } from "./numbers.ts";
import { checkPolicy } from "./policy.ts";
import { isRecord } from "./record.ts";
import { escapeText, isText, MAX_TEXT_BYTES } from "./text.ts";

/** A full snapshot of 100,000 instances is about 15 MiB; more than this is not a snapshot. */
export const MAX_SNAPSHOT_BYTES = 64 * 1024 * 1024;
export const MAX_INSTANCES = 20000;
const MAX_METADATA_ENTRIES = 64;
/** cjson writes 14 digits: a larger whole number would not come back from it as it was. */
export const MAX_INTEGER = 99_999_999_999_999;

/**
 * What makes a decoded snapshot unusable, with the place where it is; undefined when all of it is valid.
 * JSON decoders differ: in nginx `null` is a userdata and `1e999` a number, so every type and range is looked at.
 */
export function checkSnapshot(value: unknown): string | undefined {
  if (!isRecord(value)) return "snapshot: must be an object";
  if (value["schema"] !== 1) return "schema: must be 1";
  if (!isName(value["epoch"])) return "epoch: must be a name";
  if (!isIntegerWithin(value["revision"], 0, MAX_INTEGER)) return "revision: must be a whole number";
  if (typeof value["full"] !== "boolean") return "full: must be true or false";
  const removed = value["removed"];
  if (!Array.isArray(removed)) return "removed: must be an array";
  for (const name of removed) {
    if (!isName(name)) return "removed: must hold names only";
  }
  const services = value["services"];
  if (!isRecord(services)) return "services: must be an object";
  for (const name in services) {
    if (!isName(name)) return `services: "${escapeText(`${name}`)}" is not a service name`;
    const error = checkServiceList(services[name]);
    if (error !== undefined) return `services.${name}.${error}`;
  }
  return undefined;
}

/** What is wrong with one service's list; undefined when all of it is valid. */
export function checkServiceList(value: unknown): string | undefined {
  if (!isRecord(value)) return "list: must be an object";
  if (!isIntegerWithin(value["version"], 0, MAX_INTEGER)) return "version: must be a whole number";
  if (value["mode"] !== "normal" && value["mode"] !== "manual") return "mode: must be normal or manual";
  const policyError = checkPolicy(value["policy"]);
  if (policyError !== undefined) return policyError;
  const instances = value["instances"];
  if (!Array.isArray(instances)) return "instances: must be an array";
  if (instances.length > MAX_INSTANCES) return `instances: more than ${MAX_INSTANCES}`;
  const seen: Record<string, boolean> = {};
  for (let i = 0; i < instances.length; i++) {
    const error = checkPeer(instances[i]);
    if (error !== undefined) return `instances[${i}].${error}`;
    const id = (instances[i] as { id: string }).id;
    if (seen[id] === true) return `instances[${i}].id: "${id}" is there twice`;
    seen[id] = true;
  }
  return undefined;
}

function checkPeer(value: unknown): string | undefined {
  if (!isRecord(value)) return "peer: must be an object";
  if (!isName(value["id"])) return "id: must be a name";
  if (!isText(value["name"])) return "name: must be a text";
  if (!isIpLiteral(value["address"])) return "address: must be an IP address";
  if (!isIntegerWithin(value["port"], 1, MAX_PORT)) return "port: must be 1 to 65535";
  if (!isIntegerWithin(value["baseWeight"], 0, MAX_BASE_WEIGHT)) return "baseWeight: must be a whole number 0 to 1000";
  const score = value["score"];
  if (typeof score !== "number" || !(score >= 0 && score <= 1)) return "score: must be 0 to 1";
  if (!isIntegerWithin(value["weight"], 0, MAX_WEIGHT)) return "weight: must be a whole number 0 to 65535";
  if (value["override"] !== undefined) {
    const error = checkOverride(value["override"]);
    if (error !== undefined) return `override.${error}`;
  }
  return checkMetadata(value["metadata"]);
}

/** What is wrong with an override; undefined when it is valid. */
export function checkOverride(value: unknown): string | undefined {
  if (!isRecord(value)) return "override: must be an object";
  if (!isIntegerWithin(value["weight"], 0, MAX_BASE_WEIGHT)) return "weight: must be a whole number 0 to 1000";
  if (!isText(value["by"])) return "by: must be a text";
  if (!isText(value["reason"])) return "reason: must be a text";
  if (!isIntegerWithin(value["at"], 0, MAX_INTEGER)) return "at: must be a time in milliseconds";
  const expiresAt = value["expiresAt"];
  if (expiresAt !== undefined && !isIntegerWithin(expiresAt, 0, MAX_INTEGER)) {
    return "expiresAt: must be a time in milliseconds";
  }
  return undefined;
}

/** What is wrong with an instance's metadata; undefined when it is valid. */
export function checkMetadata(value: unknown): string | undefined {
  if (!isRecord(value)) return "metadata: must be an object";
  let entries = 0;
  for (const key in value) {
    if (!isMetadataKey(key)) return `metadata: "${escapeText(`${key}`)}" is not a metadata key`;
    if (!isText(value[key])) return `metadata.${key}: must be a text of at most ${MAX_TEXT_BYTES} bytes`;
    entries++;
  }
  return entries > MAX_METADATA_ENTRIES ? `metadata: more than ${MAX_METADATA_ENTRIES} entries` : undefined;
}
