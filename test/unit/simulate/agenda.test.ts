import fc from "fast-check";
import { expect, it } from "vitest";
import { Agenda } from "../../../cli/simulate/agenda.ts";

it("what is under way ends in the order of time, whatever is added in between", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(50), { nil: undefined })), (steps) => {
      const agenda = new Agenda<{ endsMs: number }>();
      const left: number[] = [];
      for (const endsMs of steps) {
        if (endsMs !== undefined) {
          agenda.add({ endsMs });
          left.push(endsMs);
          left.sort((a, b) => a - b);
        } else if (left.length > 0) expect(agenda.removeFirst().endsMs).toBe(left.shift());
        expect(agenda.firstMs()).toBe(left[0] ?? Number.POSITIVE_INFINITY);
      }
    }),
  );
});
