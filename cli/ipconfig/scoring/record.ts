import { readFile } from "node:fs/promises";
import { usageError } from "../../errors.ts";
import { createCatalog } from "../../store/catalog.ts";
import type { Store } from "../../store/etcd.ts";
import { startMirror } from "../../store/mirror.ts";
import { decodeStatus, sanitizeFigures } from "../../store/status.ts";
import type { RecordedSample } from "./fit.ts";

/**
 * Hands on every sample of a service that comes into etcd, until it is stopped.
 * @param onSample called with each sample of each instance
 */
export function recordSamples(store: Store, service: string, onSample: (sample: RecordedSample) => void) {
  return startMirror(
    store,
    () =>
      createCatalog(
        store.keys,
        () => undefined,
        (name, _exporter, value) => {
          if (name !== service || value === undefined) return;
          const status = decodeStatus(value, () => undefined);
          for (const [id, sample] of status?.samples ?? []) onSample({ at: status!.at, service, id, ...sample });
        },
      ),
    () => ({
      onChange: () => undefined,
      onRestored: () => undefined,
      onConnection: () => undefined,
      onMissed: () => undefined,
      onWatchRestart: () => undefined,
    }),
    { relistMs: 3_600_000, probeMs: 1000, withRevision: false },
  );
}

/** @throws a usage error that names the line that is not a sample */
export async function readRecord(file: string): Promise<RecordedSample[]> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw usageError(`can't read ${file}: ${error.code}`);
  });
  return text
    .split("\n")
    .map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.trim() !== "")
    .map(({ line, number }) => {
      try {
        const { at, service, id, state, ...figures } = JSON.parse(line) as RecordedSample;
        if (typeof at !== "number" || typeof service !== "string" || typeof id !== "string") throw new Error();
        return { at, service, id, state, ...sanitizeFigures(figures, () => undefined) };
      } catch {
        throw usageError(`${file}:${number}: not a sample as routectl score record writes it`);
      }
    });
}
