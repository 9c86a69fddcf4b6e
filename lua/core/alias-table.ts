/**
 * A prepared draw by weight: column i is kept with a probability, else its alias is drawn. Both are one number, the alias
 * plus the probability, so that a draw reads memory once.
 */
export interface AliasTable {
  readonly columns: readonly number[];
  /** Their number: the length of a Lua table is found by a search. */
  readonly count: number;
}

/** A probability nearer to 1 would be rounded up to the next alias. */
const GREATEST_PROBABILITY = 1 - 1e-9;

/**
 * Prepares a draw in O(n), after M. D. Vose, "A linear algorithm for generating random numbers with a given
 * distribution" (1991).
 * @param weights at least one, each above 0
 */
export function buildAliasTable(weights: readonly number[]): AliasTable {
  const count = weights.length;
  let sum = 0;
  for (const weight of weights) sum += weight;
  const scaled: number[] = [];
  const columns: number[] = [];
  // Stacks, whose heights are kept by hand: length and pop() cost a call each in Lua.
  const small: number[] = [];
  const large: number[] = [];
  let smallHeight = 0;
  let largeHeight = 0;
  for (let i = 0; i < count; i++) {
    const value = (weights[i]! * count) / sum;
    scaled[i] = value;
    // Never kept, and its own alias.
    columns[i] = i;
    if (value < 1) {
      small[smallHeight] = i;
      smallHeight++;
    } else {
      large[largeHeight] = i;
      largeHeight++;
    }
  }
  while (smallHeight > 0 && largeHeight > 0) {
    const less = small[smallHeight - 1]!;
    const more = large[largeHeight - 1]!;
    smallHeight--;
    columns[less] = more + Math.max(0, Math.min(scaled[less]!, GREATEST_PROBABILITY));
    const rest = scaled[more]! + scaled[less]! - 1;
    scaled[more] = rest;
    if (rest < 1) {
      largeHeight--;
      small[smallHeight] = more;
      smallHeight++;
    }
  }
  // What is left on either stack is 1 but for rounding, and stays its own alias.
  return { columns, count };
}

/**
 * Draws an index in O(1). It goes without a branch: half of them would be guessed wrongly by the processor, and each would
 * double the number of LuaJIT's traces through what follows.
 * @param random 0 <= random < 1
 */
export function drawAlias(table: AliasTable, random: number): number {
  const position = random * table.count;
  const column = Math.floor(position);
  const entry = table.columns[column]!;
  const alias = Math.floor(entry);
  // 0 below the probability, 1 from there on.
  const isAliased = Math.floor(position - column - (entry - alias) + 1);
  return column + isAliased * (alias - column);
}
