/** Says what is to be undone at the end; it may have been undone before. */
export type Later = (undo: () => Promise<void>) => void;

/** Runs something and undoes it, the newest first; also when Ctrl-C or SIGTERM ends it. */
export async function withCleanup<T>(run: (later: Later) => Promise<T>): Promise<T> {
  const undos: (() => Promise<void>)[] = [];
  const undoAll = async (): Promise<void> => {
    for (const undo of undos.splice(0)) await undo().catch((error: unknown) => console.error(error));
  };
  let undone: Promise<never> | undefined;
  const interrupted = (): void => {
    undone = undoAll().then(() => process.exit(130));
  };
  process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
  try {
    return await run((undo) => undos.unshift(undo));
  } catch (error) {
    // What is interrupted fails in any of many ways, none of which is news.
    if (undone !== undefined) await undone;
    throw error;
  } finally {
    await undoAll();
    process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
  }
}
