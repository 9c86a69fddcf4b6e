import { isName } from "../core/names.ts";
import { checkServiceList } from "../core/snapshot-check.ts";
import { state } from "./dicts.ts";
import { nowMs } from "./freshness.ts";
import { decodeJson } from "./json.ts";
import { escapeReason, notice, warn } from "./log-line.ts";
import { isRetaining, retain } from "./retention.ts";
import {
  currentPosition,
  leftEpochsText,
  listText,
  serviceNames,
  setLeftEpochs,
  setPosition,
  setServiceNames,
  storeListText,
} from "./routes.ts";
import { settings } from "./settings.ts";

/**
 * The last good list on disk, so that nginx serves when it starts with everything else dead.
 *
 *     routectl-last-good 1 EPOCH REVISION LEFT-EPOCHS FRESH-AT-MS SERVICES CHECKSUM
 *     SERVICE CHECKSUM JSON            (one line a service)
 *
 * While services are kept that ipconfig does not name (retention.ts) the revision is 0: else they would stay for ever after
 * a restart, which asks for what is newer only. Checksums are CRC-32: of a service's JSON in its line, of everything else in
 * the first line. It is written aside and then renamed; a file that fails a checksum is not used at all.
 */
const FORMAT = "routectl-last-good 1";

/** Without changes the file is written again this often, so that it tells how fresh the list was. */
const REWRITE_AFTER_MS = 60_000;

/** A write may stop the worker for this part of its time at most. */
const SHARE_OF_TIME = 0.01;
const LEAST_INTERVAL_MS = 1000;

let changed = false;
let nextWriteMs = 0;
let lastWriteMs = 0;
let failing = false;

export function markLastGoodChanged(): void {
  changed = true;
}

/** Writes the file when it is due. For the refresh leader, often. */
export function writeLastGoodIfDue(): void {
  const now = nowMs();
  if (now < nextWriteMs || !(changed || now - lastWriteMs > REWRITE_AFTER_MS)) return;
  const position = currentPosition();
  if (position === undefined) return;
  const started = os.clock();
  const revision = isRetaining() ? 0 : position.revision;
  const error = writeFile(`${position.epoch} ${string.format("%d", revision)}`);
  nextWriteMs = now + Math.max(LEAST_INTERVAL_MS, ((os.clock() - started) * 1000) / SHARE_OF_TIME);
  if (error !== undefined) {
    if (!failing) warn(`the last good list can't be written (${error}); the file that is there stays`);
    failing = true;
    return;
  }
  if (failing) notice("the last good list is written again");
  failing = false;
  changed = false;
  lastWriteMs = now;
}

/** Lua's file, with what its functions return on a full disk. */
interface OutputFile {
  write(...text: string[]): LuaMultiReturn<[object | undefined, string?]>;
  close(): LuaMultiReturn<[boolean | undefined, string?]>;
}

function writeFile(position: string): string | undefined {
  const lines: string[] = [];
  const checksums: string[] = [];
  for (const name of serviceNames()) {
    const [text] = listText(name);
    if (text !== undefined) {
      lines[lines.length] = `${name} ${text}\n`;
      checksums[checksums.length] = `${name} ${string.sub(text, 1, 8)}`;
    }
  }
  const freshAt = string.format("%.0f", (state.get("freshAtMs") as number | undefined) ?? 0);
  const left = leftEpochsText();
  const head = `${FORMAT} ${position} ${left === "" ? "-" : left} ${freshAt} ${lines.length}`;
  const checksum = headChecksum(head, checksums);

  const aside = `${settings.lastGoodFile}.new`;
  const [file, openError] = io.open(aside, "wb");
  if (file === undefined) return escapeReason(openError);
  const output = file as unknown as OutputFile;
  const [written, writeError] = output.write(`${head} ${checksum}\n`, table.concat(lines));
  // A full disk may show only when the file is closed.
  const [closed, closeError] = output.close();
  if (written === undefined || closed !== true) {
    os.remove(aside);
    return escapeReason(writeError ?? closeError);
  }
  const [renamed, renameError] = os.rename(aside, settings.lastGoodFile);
  return renamed ? undefined : escapeReason(renameError);
}

function headChecksum(head: string, checksums: readonly string[]): string {
  return string.format("%08x", ngx.crc32_long(`${head}\n${table.concat(checksums as string[], "\n")}`));
}

/** Fills the routes from the file. For the start of nginx: blocks. */
export function readLastGood(): void {
  const [file] = io.open(settings.lastGoodFile, "rb");
  if (file === undefined) return;
  const text = file.read("*a") as string;
  file.close();
  const error = loadText(text);
  if (error === undefined) {
    notice(`the last good list was read: ${serviceNames().length} services`);
    return;
  }
  warn(`the last good list on disk is not used (${error}); waiting for an ipconfig`);
}

function loadText(text: string): string | undefined {
  const [head, epoch, revision, left, freshAt, count, checksum] = string.match(
    text,
    `^(${string.gsub(FORMAT, "%-", "%%-")[0]} (%S+) (%d+) (%S+) (%d+) (%d+)) (%x+)\n`,
  );
  if (head === undefined || !isName(epoch)) return "its first line is not one of ours";
  const names: string[] = [];
  const lists: string[] = [];
  const checksums: string[] = [];
  const body = string.sub(text, head.length + checksum!.length + 3);
  for (const [line] of string.gmatch(body, "[^\n]+")) {
    const [name, sum, json] = string.match(line!, "^(%S+) (%x+) (.*)$");
    if (name === undefined || !isName(name)) return "a line of it is not one of ours";
    if (string.format("%08x", ngx.crc32_long(json!)) !== sum) return `the checksum of ${name} is wrong`;
    const [list] = decodeJson(json!);
    const error = checkServiceList(list);
    if (error !== undefined) return escapeReason(`${name}.${error}`);
    names[names.length] = name;
    lists[lists.length] = `${sum} ${json}`;
    checksums[checksums.length] = `${name} ${sum}`;
  }
  if (names.length !== tonumber(count)) return "it is truncated";
  if (headChecksum(head, checksums) !== checksum) return "its checksum is wrong";
  for (let i = 0; i < names.length; i++) {
    const [stored, error] = storeListText(names[i]!, lists[i]!);
    if (!stored) return escapeReason(error);
  }
  setServiceNames(names);
  if (left !== "-") setLeftEpochs(left!);
  setPosition({ epoch, revision: tonumber(revision)! });
  if (revision === "0") retain();
  state.set("freshAtMs", Math.min(tonumber(freshAt)!, nowMs()));
  return undefined;
}
