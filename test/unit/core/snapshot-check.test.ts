import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildServiceList } from "../../../lua/core/service-list.ts";
import { checkMetadata, checkOverride, checkServiceList, checkSnapshot } from "../../../lua/core/snapshot-check.ts";
import { isText } from "../../../lua/core/text.ts";
import type { Peer, Snapshot } from "../../../lua/core/types.ts";
import { listOf, override, peer } from "./fixtures.ts";

function snapshotOf(instances: readonly Peer[]): Snapshot {
  const orders = { ...listOf("best", []), instances };
  return { schema: 1, epoch: "e1", revision: 7, full: true, services: { orders }, removed: [] };
}

const notWeights = fc.oneof(
  fc.double().filter((value) => !Number.isInteger(value) || value < 0 || value > 65_535),
  fc.constantFrom(null, "100", true, [], {}, Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 65_536),
);

describe("the check of a snapshot", () => {
  it("refuses the whole of it for one bad weight anywhere", () => {
    fc.assert(
      fc.property(notWeights, fc.nat(9), (bad, place) => {
        const instances = Array.from({ length: 10 }, (_, i) => peer({ id: `demo-${i + 1}` }));
        expect(checkSnapshot(snapshotOf(instances))).toBeUndefined();
        instances[place] = { ...instances[place]!, weight: bad as number };
        expect(checkSnapshot(snapshotOf(instances))).toContain(`services.orders.instances[${place}].weight`);
      }),
    );
  });

  it("takes every list that ipconfig makes of valid instances", () => {
    const candidate = fc.record({
      id: fc.stringMatching(/^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/),
      name: fc.string({ maxLength: 100 }),
      address: fc.oneof(fc.ipV4(), fc.ipV6()),
      port: fc.integer({ min: 1, max: 65_535 }),
      weight: fc.integer({ min: 0, max: 1000 }),
      metadata: fc.constant({ zone: "eu-1" }),
      score: fc.double({ min: 0, max: 1, noNaN: true }),
      chosen: fc.boolean(),
      override: fc.option(
        fc.integer({ min: 0, max: 1000 }).map((weight) => override({ weight })),
        { nil: undefined },
      ),
    });
    fc.assert(
      fc.property(fc.uniqueArray(candidate, { selector: ({ id }) => id, maxLength: 10 }), (candidates) => {
        const list = buildServiceList(7, undefined, candidates);
        expect(checkServiceList(JSON.parse(JSON.stringify(list)))).toBeUndefined();
      }),
    );
  });

  it("answers anything at all without an exception", () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        for (const check of [checkSnapshot, checkServiceList, checkOverride, checkMetadata]) {
          expect(typeof check(value)).toMatch(/string|undefined/);
        }
      }),
    );
  });

  it("takes 20,000 instances of a service and no more", () => {
    const many = Array.from({ length: 20_000 }, (_, i) => peer({ id: `demo-${i}` }));
    expect(checkSnapshot(snapshotOf(many))).toBeUndefined();
    expect(checkSnapshot(snapshotOf([...many, peer()]))).toBe("services.orders.instances: more than 20000");
  });

  it("measures texts in bytes, as nginx will: 256 umlauts pass, 257 do not", () => {
    expect(checkOverride(override({ reason: "ü".repeat(256) }))).toBeUndefined();
    expect(checkOverride(override({ reason: "ü".repeat(257) }))).toBe("reason: must be a text");
    expect(checkMetadata({ zone: "ü".repeat(257) })).toContain("metadata.zone");
  });

  it("refuses half of a surrogate pair, which nginx's JSON decoder would refuse the whole snapshot for", () => {
    for (const text of ["\ud83d", "\ude00", "a\ud83d\ud83d\ude00", "\ude00\ud83d"]) expect(isText(text)).toBe(false);
    expect(isText("😀")).toBe(true);
    expect(checkMetadata({ zone: "\ud83d" })).toContain("metadata.zone");
  });
});
