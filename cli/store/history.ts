import { readCatalogOf } from "./catalog.ts";
import type { Store } from "./etcd.ts";
import { requireService } from "./lookup.ts";
import { safeJson } from "./safe-json.ts";
import { type HistoryEntry, historySchema } from "./schemas.ts";

export interface ListedHistory extends HistoryEntry {
  readonly revision: number;
}

/** What was done to a service, newest first. A service that is gone still has its history. */
export async function readHistory(store: Store, service: string, limit: number): Promise<ListedHistory[]> {
  const { items } = await store.list(store.keys.histories(service));
  if (items.length === 0) requireService(await readCatalogOf(store, service), service);
  const entries: ListedHistory[] = [];
  for (const { value, modRevision } of items) {
    const parsed = historySchema.safeParse(safeJson(value));
    if (parsed.success) entries.push({ revision: modRevision, ...parsed.data });
  }
  return entries.sort((a, b) => b.revision - a.revision).slice(0, limit);
}
