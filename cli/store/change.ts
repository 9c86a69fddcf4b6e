import { randomBytes } from "node:crypto";
import { EXIT, isUnreachable, RoutectlError, unreachable } from "../errors.ts";
import { type Expectation, MAX_OPERATIONS, type Operation, type Store } from "./etcd.ts";
import type { HistoryEntry } from "./schemas.ts";

/** Who changes something, and why; kept in the history. */
export interface Author {
  readonly by: string;
  readonly reason: string;
}

/** What a command is about to change, for people and for programs. */
export interface Outcome {
  readonly service: string;
  /** One line for each thing that changes; empty when everything is as wanted. */
  readonly changes: readonly string[];
  /** Why there is nothing to change, where that is not plain. */
  readonly note?: string;
  /** The revision of the change; undefined when nothing was written. */
  readonly revision: number | undefined;
}

/** So many history entries of a service are kept. */
const HISTORY_LIMIT = 1000;
const HISTORY_TRIM = 20;

/**
 * Writes changes of one service together with their history entry, in one transaction.
 * @param seenRevision etcd's revision when what is expected was read
 * @throws RoutectlError `conflict` when something that was read has changed since; `unanswered-write` when it may have been
 * written or not
 */
export async function commitChange(
  store: Store,
  service: string,
  seenRevision: number,
  entry: HistoryEntry,
  expectations: readonly Expectation[],
  operations: readonly Operation[],
): Promise<number> {
  const { keys, count } = await store.firstKeys(store.keys.histories(service), HISTORY_TRIM);
  const trimmed = count >= HISTORY_LIMIT ? keys : [];
  const id = `${String(seenRevision).padStart(16, "0")}-${randomBytes(4).toString("hex")}`;
  const historyKey = store.keys.history(service, id);
  const write = async (): Promise<number | undefined> => {
    const result = await store.commit(
      [{ key: historyKey, modRevision: 0 }, ...expectations],
      [
        { put: historyKey, value: JSON.stringify(entry) },
        ...operations,
        ...trimmed.map((key): Operation => ({ delete: key })),
      ],
    );
    if (result.succeeded) return result.revision;
    // The answer to a first attempt may have been lost after etcd had carried it out.
    return (await store.get(historyKey)).item?.modRevision;
  };
  const revision = await write().catch((error: unknown) => {
    throw isUnreachable(error) ? unansweredWrite(store, service, error) : error;
  });
  if (revision !== undefined) return revision;
  throw new RoutectlError(
    "conflict",
    EXIT.conflict,
    `someone else has changed ${service} in the meantime: look at routectl history ${service}, then try again`,
  );
}

/** Whether etcd has carried a write out that it did not answer is not known before it answers again. */
function unansweredWrite(store: Store, service: string, cause: unknown): RoutectlError {
  return unreachable(
    "unanswered-write",
    `etcd at ${store.urls} did not answer a write to ${service}, which may be in force or not: see routectl history ${service} before you try again`,
    cause,
  );
}

/**
 * Items in groups that fit into a transaction each, with the history entry.
 * @param stepsPerItem how many operations an item needs, or expectations if they are more: etcd limits both alike
 */
export function inTransactions<T>(items: readonly T[], stepsPerItem: number): T[][] {
  const size = Math.floor((MAX_OPERATIONS - HISTORY_TRIM - 1) / stepsPerItem);
  const groups: T[][] = [];
  for (let i = 0; i < items.length; i += size) groups.push(items.slice(i, i + size));
  return groups;
}

/** A part of a change that takes several transactions. */
export interface Part {
  /** What it changes, as errors name it. */
  readonly names: readonly string[];
  /** @returns the revision */
  commit(): Promise<number>;
}

/**
 * Commits the parts of a change one after the other.
 * @returns the revision of each
 * @throws what a part throws; where there are several of them the error names those that are done and those not tried
 */
export async function commitParts(parts: readonly Part[]): Promise<number[]> {
  const revisions: number[] = [];
  for (const [i, part] of parts.entries()) {
    try {
      revisions.push(await part.commit());
    } catch (error) {
      if (!(error instanceof RoutectlError) || parts.length === 1) throw error;
      const [done, left] = [parts.slice(0, i), parts.slice(i + 1)].map(namesOf);
      const message = `failed at ${namesOf([part])}: ${error.message} (done: ${done}; not tried: ${left})`;
      throw new RoutectlError(error.code, error.exitCode, message, error);
    }
  }
  return revisions;
}

const MOST_NAMES = 20;

function namesOf(parts: readonly Part[]): string {
  const names = parts.flatMap((part) => part.names);
  if (names.length === 0) return "nothing";
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : "";
  return `${names.slice(0, MOST_NAMES).join(", ")}${more}`;
}
