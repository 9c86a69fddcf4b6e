import fc from "fast-check";
import { evenly, junk, text } from "./values.ts";

/** A valid value, or one with one thing in it, at any depth, replaced, taken away or added, or nothing of the kind. */
export function damaged(valid: fc.Arbitrary<object>): fc.Arbitrary<unknown> {
  const damage = fc.record({
    path: fc.array(evenly(1000), { minLength: 6, maxLength: 6 }),
    kind: fc.constantFrom("replace", "remove", "add"),
    key: text,
    value: junk,
  });
  return fc.oneof(valid, junk, {
    weight: 4,
    arbitrary: fc.tuple(valid, damage).map(([value, { path, kind, key, value: bad }]) => {
      const copy = structuredClone(value) as Record<string, unknown>;
      let at = copy;
      let field = "";
      for (const [depth, choice] of path.entries()) {
        const keys = Object.keys(at);
        if (keys.length === 0) break;
        field = keys[choice % keys.length]!;
        const inside = at[field];
        if (choice % 5 === 0 || depth === path.length - 1 || typeof inside !== "object" || inside === null) break;
        if (Object.keys(inside).length === 0) break;
        at = inside as Record<string, unknown>;
      }
      if (Array.isArray(at)) at.splice(Number(field), 1, ...(kind === "remove" || bad === undefined ? [] : [bad]));
      else if (kind === "remove") delete at[field];
      else
        Object.defineProperty(at, kind === "add" ? key : field, { value: bad, enumerable: true, configurable: true });
      return copy;
    }),
  });
}
