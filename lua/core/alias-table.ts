/** A prepared draw by weight: column i is kept with `probabilities[i]`, else `aliases[i]` is drawn. */
export interface AliasTable {
  readonly probabilities: readonly number[];
  readonly aliases: readonly number[];
}

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
  const probabilities: number[] = [];
  const aliases: number[] = [];
  const small: number[] = [];
  const large: number[] = [];
  for (let i = 0; i < count; i++) {
    const value = (weights[i]! * count) / sum;
    scaled[i] = value;
    probabilities[i] = 1;
    aliases[i] = i;
    if (value < 1) small[small.length] = i;
    else large[large.length] = i;
  }
  // The stacks' heights are kept by hand: length and pop() cost a call each in Lua.
  let smallHeight = small.length;
  let largeHeight = large.length;
  while (smallHeight > 0 && largeHeight > 0) {
    const less = small[smallHeight - 1]!;
    const more = large[largeHeight - 1]!;
    smallHeight--;
    probabilities[less] = scaled[less]!;
    aliases[less] = more;
    const rest = scaled[more]! + scaled[less]! - 1;
    scaled[more] = rest;
    if (rest < 1) {
      largeHeight--;
      small[smallHeight] = more;
      smallHeight++;
    }
  }
  // What is left on either stack is 1 but for rounding, and stays 1.
  return { probabilities, aliases };
}

/**
 * Draws an index in O(1).
 * @param random 0 <= random < 1
 */
export function drawAlias(table: AliasTable, random: number): number {
  const position = random * table.probabilities.length;
  const column = Math.floor(position);
  return position - column < table.probabilities[column]! ? column : table.aliases[column]!;
}
