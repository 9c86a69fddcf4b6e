/**
 * Calls `act` so many times a second, on a timer's ticks of a millisecond, whether the calls before have ended or not, and
 * waits for all of their ends.
 * @param isOver asked before each call, with the number of calls so far
 * @throws the first error of a call, once it has stopped
 */
export async function atRate(
  perSecond: number,
  isOver: (acts: number) => boolean,
  act: (index: number) => Promise<void>,
): Promise<void> {
  const started = performance.now();
  const underWay = new Set<Promise<void>>();
  let acts = 0;
  let failure: { readonly error: unknown } | undefined;
  const begin = (): void => {
    const running: Promise<void> = act(acts++)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => underWay.delete(running));
    underWay.add(running);
  };
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      const due = Math.floor(((performance.now() - started) / 1000) * perSecond);
      while (acts < due && !isOver(acts)) begin();
      if (isOver(acts) || failure !== undefined) resolve();
      else setTimeout(tick, 1);
    };
    tick();
  });
  await Promise.all(underWay);
  if (failure !== undefined) throw failure.error;
}
