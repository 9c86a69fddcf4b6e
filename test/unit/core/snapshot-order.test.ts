import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judgeSnapshot, shrinks } from "../../../lua/core/snapshot-order.ts";
import type { Position } from "../../../lua/core/types.ts";
import { peer } from "./fixtures.ts";

/** What happens in turn: etcd changes, etcd is wiped, a replica reads etcd, the router polls a replica. */
const event = fc.constantFrom("change", "change", "wipe", "read-0", "read-1", "read-1", "poll-0", "poll-1", "poll-1");

const peers = (ids: readonly string[]) => ids.map((id) => peer({ id }));

describe("the order of snapshots", () => {
  it("never lets a router go back, however two replicas lag and whichever of them it asks", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.array(fc.boolean(), { minLength: 60 }), (events, fulls) => {
        let etcd: Position = { epoch: "e0", revision: 1 };
        const replicas: Position[] = [etcd, etcd];
        const leftEpochs: string[] = [];
        const applied: Position[] = [];
        for (const [i, what] of events.entries()) {
          const replica = what.endsWith("1") ? 1 : 0;
          if (what === "change") etcd = { ...etcd, revision: etcd.revision + 1 };
          else if (what === "wipe") etcd = { epoch: `e${Number(etcd.epoch.slice(1)) + 1}`, revision: 1 };
          else if (what.startsWith("read")) replicas[replica] = etcd;
          else {
            const current = applied.at(-1);
            const snapshot = { ...replicas[replica]!, full: fulls[i]! || current?.epoch !== replicas[replica]!.epoch };
            if (judgeSnapshot(current, leftEpochs, snapshot) !== "take") continue;
            if (current !== undefined && current.epoch !== snapshot.epoch) leftEpochs.push(current.epoch);
            applied.push(snapshot);
          }
        }
        for (let i = 1; i < applied.length; i++) {
          const [before, after] = [applied[i - 1]!, applied[i]!];
          if (before.epoch === after.epoch) expect(after.revision).toBeGreaterThanOrEqual(before.revision);
          else expect(applied.slice(0, i).map(({ epoch }) => epoch)).not.toContain(after.epoch);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("lets a router catch up with whatever is newer in its epoch", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 1000 }), fc.boolean(), (revision, newer, full) => {
        const snapshot = { epoch: "e1", revision: revision + newer, full };
        expect(judgeSnapshot({ epoch: "e1", revision }, ["e0"], snapshot)).toBe("take");
      }),
    );
  });

  it("takes no part of a new epoch for the whole of it", () => {
    expect(judgeSnapshot({ epoch: "e1", revision: 9 }, [], { epoch: "e2", revision: 1, full: false })).toBe("partial");
    expect(judgeSnapshot(undefined, [], { epoch: "e2", revision: 1, full: false })).toBe("partial");
  });
});

describe("a list that shrinks", () => {
  const ids = fc.uniqueArray(fc.nat(30).map(String), { maxLength: 12 });

  it("is suspicious when it is empty, or without more than half of what was there", () => {
    fc.assert(
      fc.property(ids, ids, (before, after) => {
        const dropped = before.filter((id) => !after.includes(id)).length;
        const suspicious = before.length > 0 && (after.length === 0 || dropped > before.length / 2);
        expect(shrinks(peers(before), peers(after))).toBe(suspicious);
      }),
    );
  });

  it("is not suspicious in a rolling restart of half of the instances", () => {
    expect(shrinks(peers(["a", "b", "c", "d"]), peers(["c", "d"]))).toBe(false);
    expect(shrinks(peers(["a", "b", "c", "d"]), peers(["d"]))).toBe(true);
  });

  it("is not suspicious where nothing was before", () => {
    expect(shrinks([], [])).toBe(false);
    expect(shrinks([], peers(["a"]))).toBe(false);
  });
});
