import * as cjson from "cjson.safe";

const codec = cjson.new();
// A snapshot is five levels deep; anything deeper is not one.
codec.decode_max_depth(16);

export const NULL = cjson.null;

/** The decoded value; nothing and a reason when the text is not JSON. Nulls come as `NULL`, which no check lets through. */
export function decodeJson(text: string): LuaMultiReturn<[unknown, string?]> {
  return codec.decode(text);
}

export function encodeJson(value: unknown): string {
  return codec.encode(value);
}

/** An array of JSON texts as one JSON text: an empty Lua table alone would be encoded as `{}`. */
export function jsonArray(items: readonly string[]): string {
  return `[${table.concat(items as string[], ",")}]`;
}
