import { expect, it } from "vitest";
import { type Attempt, createServer, inFlightAt, joinLine, leaveLine, loseAll } from "../../../cli/simulate/server.ts";

const attempt = (beganMs: number): Attempt => ({ beganMs, next: undefined }) as Attempt;
const server = () => createServer({ slots: 1, meanMs: 10, weight: 100 });

it("who comes first is served first", () => {
  const one = server();
  for (const beganMs of [1, 2, 3]) joinLine(one, attempt(beganMs));
  expect(leaveLine(one)?.beganMs).toBe(1);
  joinLine(one, attempt(4));
  expect([2, 3, 4].map(() => leaveLine(one)?.beganMs)).toEqual([2, 3, 4]);
  expect([leaveLine(one), inFlightAt(one)]).toEqual([undefined, 0]);
});

it("a server that goes away loses what it serves, and the line", () => {
  const one = server();
  one.serving.add(attempt(1));
  for (const beganMs of [2, 3]) joinLine(one, attempt(beganMs));
  expect(inFlightAt(one)).toBe(3);
  expect(loseAll(one).map(({ beganMs }) => beganMs)).toEqual([1, 2, 3]);
  expect(inFlightAt(one)).toBe(0);
});
