import { utf8Length } from "./text.ts";

const MAX_REGEX_LENGTH = 200;
const MAX_REPETITIONS = 1000;

/** PCRE writes a group out as often as it is repeated, a class in it in 33 bytes, and has room for 64 KiB. */
const MAX_PARTS = 1000;

/** Characters that an escape may stand before: classes that mean the same everywhere, boundaries, and punctuation. */
const ESCAPABLE = "dDwWsSbB.^$|()[]{}*+?\\/-";

/**
 * What keeps a regular expression from meaning the same in nginx (PCRE) and in Node; undefined when nothing does. Allowed
 * are literals in printable ASCII, `.`, classes, `\d \w \s \b`, anchors, groups, `|`, and greedy or lazy quantifiers; not
 * backreferences, look-around, flags, names, or possessive quantifiers.
 */
export function checkRegex(pattern: string): string | undefined {
  if (utf8Length(pattern) > MAX_REGEX_LENGTH) return `longer than ${MAX_REGEX_LENGTH} characters`;
  let depth = 0;
  /** What came before: nothing that can be repeated, something that can, or a quantifier. */
  let before: "none" | "atom" | "quantifier" = "none";
  let i = 0;
  while (i < pattern.length) {
    const char = pattern.charAt(i);
    const code = pattern.charCodeAt(i);
    if (code < 32 || code > 126) return `only printable ASCII is allowed (character ${i + 1})`;
    if (char === "\\") {
      const error = checkEscape(pattern, i);
      if (error !== undefined) return error;
      const boundary = pattern.charAt(i + 1) === "b" || pattern.charAt(i + 1) === "B";
      before = boundary ? "none" : "atom";
      i += 2;
    } else if (char === "[") {
      const end = classEnd(pattern, i);
      if (end < 0) return `the class that begins at character ${i + 1} is not one that is allowed`;
      before = "atom";
      i = end;
    } else if (char === "(") {
      if (pattern.charAt(i + 1) === "?") {
        if (pattern.charAt(i + 2) !== ":") return `of the groups with ? only (?:...) is allowed (character ${i + 1})`;
        i += 2;
      }
      depth++;
      before = "none";
      i++;
    } else if (char === ")") {
      depth--;
      if (depth < 0) return `a ) without a ( (character ${i + 1})`;
      before = "atom";
      i++;
    } else if (char === "*" || char === "+" || char === "?" || char === "{") {
      if (before === "quantifier" && char === "?") {
        before = "none";
        i++;
        continue;
      }
      if (before !== "atom")
        return `nothing to repeat before character ${i + 1}; write \\${char} for the character itself`;
      const length = char === "{" ? (readCount(pattern, i)?.length ?? 0) : 1;
      if (length === 0) return `character ${i + 1} begins no {n}, {n,} or {n,m}; write \\{ for the character itself`;
      before = "quantifier";
      i += length;
    } else if (char === "]" || char === "}") {
      return `write \\${char} for the character itself (character ${i + 1})`;
    } else {
      before = char === "^" || char === "$" || char === "|" ? "none" : "atom";
      i++;
    }
  }
  if (depth > 0) return "a ( without a )";
  return countParts(pattern) > MAX_PARTS
    ? `too large: more than ${MAX_PARTS} parts with its groups repeated`
    : undefined;
}

function checkEscape(pattern: string, at: number): string | undefined {
  const escaped = pattern.charAt(at + 1);
  if (escaped !== "" && ESCAPABLE.includes(escaped)) return undefined;
  return `the escape at character ${at + 1} is not allowed`;
}

/** The place after a class; -1 when it is empty, open, turned round, or holds what the two languages read differently. */
function classEnd(pattern: string, start: number): number {
  let i = start + 1;
  if (pattern.charAt(i) === "^") i++;
  let members = 0;
  /** The last plain character, which may begin a range; -1 after an escape or a range. */
  let last = -1;
  while (i < pattern.length) {
    const char = pattern.charAt(i);
    const code = pattern.charCodeAt(i);
    if (code < 32 || code > 126 || char === "[") return -1;
    if (char === "]") return members > 0 && !isPosixLike(pattern, start, i) ? i + 1 : -1;
    if (char === "\\") {
      const escaped = pattern.charAt(i + 1);
      if (escaped === "b" || escaped === "B" || checkEscape(pattern, i) !== undefined) return -1;
      last = -1;
      i += 2;
    } else if (char === "-" && members > 0 && pattern.charAt(i + 1) !== "]") {
      const end = pattern.charCodeAt(i + 1);
      const endChar = pattern.charAt(i + 1);
      if (last < 0 || endChar === "" || endChar === "\\" || endChar === "[" || end < last) return -1;
      last = -1;
      i += 2;
    } else {
      last = code;
      i++;
    }
    members++;
  }
  return -1;
}

/** `[:a:]`, `[.a.]` and `[=a=]` are classes in JavaScript; in PCRE they are errors outside a class. */
function isPosixLike(pattern: string, start: number, end: number): boolean {
  const first = pattern.charAt(start + 1);
  return ":.=".includes(first) && end > start + 2 && pattern.charAt(end - 1) === first;
}

/** A quantifier. */
interface Count {
  readonly length: number;
  readonly most: number;
}

/** Reads `{n}`, `{n,}` or `{n,m}`; undefined when it is none. */
function readCount(pattern: string, start: number): Count | undefined {
  let i = start + 1;
  let least = -1;
  let most = -1;
  let afterComma = false;
  while (i < pattern.length) {
    const char = pattern.charAt(i);
    const digit = pattern.charCodeAt(i) - 48;
    if (char === "}") {
      if (least < 0 || least > MAX_REPETITIONS || most > MAX_REPETITIONS) return undefined;
      return most >= 0 && most < least ? undefined : { length: i + 1 - start, most: Math.max(least, most) };
    }
    if (char === "," && !afterComma && least >= 0) afterComma = true;
    else if (digit >= 0 && digit <= 9) {
      if (afterComma) most = Math.max(0, most) * 10 + digit;
      else least = Math.max(0, least) * 10 + digit;
    } else return undefined;
    i++;
  }
  return undefined;
}

/** The parts of a valid expression, those of a group as often as it is repeated. */
function countParts(pattern: string): number {
  /** By depth: what is in the groups that are open. */
  const parts = [0];
  let depth = 0;
  /** The parts of the group that ends here; 0 behind anything else, which PCRE does not write out. */
  let groupParts = 0;
  let i = 0;
  while (i < pattern.length) {
    const char = pattern.charAt(i);
    const count = char === "{" ? readCount(pattern, i) : undefined;
    if (count !== undefined) {
      parts[depth] = parts[depth]! + groupParts * (Math.max(1, count.most) - 1);
    } else if (char === ")") {
      groupParts = parts[depth]!;
      depth--;
      parts[depth] = parts[depth]! + groupParts;
    } else {
      groupParts = 0;
      if (char === "(") {
        depth++;
        parts[depth] = 0;
      }
      parts[depth] = parts[depth]! + 1;
    }
    if (count !== undefined) i += count.length;
    else if (char === "[") i = classEnd(pattern, i);
    else if (char === "(" && pattern.charAt(i + 1) === "?") i += 3;
    else i += char === "\\" ? 2 : 1;
  }
  return parts[0]!;
}
