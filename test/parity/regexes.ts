import fc from "fast-check";
import { checkRegex } from "../../lua/core/regex-check.ts";

/** Regular expressions, and texts that they may match. */

const ofChars = (chars: string, maxLength: number) => fc.string({ unit: fc.constantFrom(...chars), maxLength });
const oneOf = (words: string) => fc.constantFrom(...words.split(" "));
const PRINTABLE = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join("");

/** What a header may have in it. (Of a path that ends with a line break, PCRE also takes what is before it for the end.) */
export const subject = fc.oneof(ofChars("ab", 8), ofChars("aB0_-.: \t/]^", 10), ofChars(`${PRINTABLE}\t`, 10));

const piece = oneOf(
  "a b A 0 - : = _ , / # ^ $ . | ( (?: ) * + ? ?? [ ] [^ a-b 0-9 [ab] [^a] [a-z] [: :] [. .] [= =] { } {2} {1,2} {0} " +
    "{,2} {2,} \\d \\D \\w \\W \\s \\S \\b \\B \\. \\] \\- \\\\ \\^ \\$ \\ \\A \\h \\n",
);
const soup = fc.array(piece, { maxLength: 7 }).map((pieces) => pieces.join(""));
const oddClass = ofChars("ab:.=^-]\\d0 ", 6).map((inside) => `[${inside}]`);
const atom = oneOf("a b . [ab] [^b] \\w \\d (?:a|b) (a?) (|b) (?:ab) (\\ba) ^ $");
const count = fc.oneof(fc.constant(""), oneOf("* + ? *? +? ?? {2} {0,2} {1,} {1,3}?"));
const sequence = fc.array(fc.tuple(atom, count), { maxLength: 5 }).map((pairs) => pairs.flat().join(""));
const nested = fc.tuple(sequence, sequence, count, sequence).map(([a, b, n, c]) => `${a}(?:${b})${n}|${c}`);

/** Some of which are allowed, and which do not take long, whatever the text. */
export const likelyRegex = fc.oneof({ arbitrary: soup, weight: 6 }, oddClass, sequence, nested);
export const allowedRegex = likelyRegex.filter((regex) => checkRegex(regex) === undefined);

/** Most of which are not allowed: not ASCII, not in order, too large. */
export const unlikelyRegex = fc.oneof(
  fc.string({ unit: oneOf("a ^ \\d [a-z] ( (?: ) | * { } , 9 \n ü 😀 {1000} \\1 (?= (?i) [:a:]"), maxLength: 12 }),
  fc.string({ unit: oneOf("(?: a [bc] ){9} ){2,40}"), maxLength: 40 }),
);
