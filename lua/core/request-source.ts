/** Where a value of a request comes from. */
export interface RequestSource {
  readonly from: "header" | "cookie" | "query" | "path" | "address";
  /** The header, cookie or query argument; empty for `path` and `address`. */
  readonly name: string;
}

/** Parses `header:NAME`, `cookie:NAME`, `query:NAME`, `path` or `address`; undefined when it is none of them. */
export function parseSource(text: string): RequestSource | undefined {
  if (text === "path") return { from: "path", name: "" };
  if (text === "address") return { from: "address", name: "" };
  const colon = text.indexOf(":");
  if (colon < 0) return undefined;
  const from = text.slice(0, colon);
  const name = text.slice(colon + 1);
  if (from !== "header" && from !== "cookie" && from !== "query") return undefined;
  return isVariableName(name, from === "header") ? { from, name } : undefined;
}

/** Whether `value` is a source, in words for whoever wrote it; undefined when it is, or is absent. */
export function checkSource(path: string, value: unknown): string | undefined {
  if (value === undefined || (typeof value === "string" && parseSource(value) !== undefined)) return undefined;
  return `${path}: must be header:NAME, cookie:NAME, query:NAME, path or address`;
}

/** nginx reads these through variables such as `$cookie_NAME`, so a name is letters, digits, `_` and, in a header, `-`. */
export function isVariableName(name: string, dashes: boolean): boolean {
  if (name.length < 1 || name.length > 64) return false;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    const letter = (code >= 97 && code <= 122) || (code >= 65 && code <= 90);
    const digit = code >= 48 && code <= 57;
    if (!letter && !digit && code !== 95 && !(dashes && code === 45)) return false;
  }
  return true;
}
