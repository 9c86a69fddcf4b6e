/** The share of some servers is looked at over as many attempts as bring so many to them when it is fair. */
const FAIR_ATTEMPTS = 60;

/** A share below this part of the fair one is low. */
const LOW_PART = 0.3;

/** Finds when the share of some servers has become low. */
export interface ReactionWatch {
  /** One more attempt. @param fairPart the part of all attempts that would go to the servers in question by the weights */
  note(nowMs: number, isTheirs: boolean, fairPart: number): void;
  /** The time until the first stretch of attempts begins in which it is low; infinity while there is none. */
  reactionMs(): number;
}

/** @param onsetMs what was before is not looked at */
export function watchReaction(onsetMs: number): ReactionWatch {
  let times = new Float64Array(0);
  let theirs = new Uint8Array(0);
  let seen = 0;
  let count = 0;
  let reactionMs = Number.POSITIVE_INFINITY;
  return {
    note: (nowMs, isTheirs, fairPart) => {
      if (reactionMs < Number.POSITIVE_INFINITY || nowMs < onsetMs || fairPart === 0) return;
      if (seen === 0) {
        times = new Float64Array(Math.ceil(FAIR_ATTEMPTS / fairPart));
        theirs = new Uint8Array(times.length);
      }
      const place = seen % times.length;
      count += (isTheirs ? 1 : 0) - theirs[place]!;
      times[place] = nowMs;
      theirs[place] = isTheirs ? 1 : 0;
      seen++;
      if (seen >= times.length && count < LOW_PART * FAIR_ATTEMPTS) reactionMs = times[seen % times.length]! - onsetMs;
    },
    reactionMs: () => reactionMs,
  };
}
