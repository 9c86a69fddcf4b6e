import type { PeerLoad, Worker } from "./worker.ts";

/** `refuses`: no connection, at once; `fails`: answers every request with an error, at once. */
export type ServerState = "serves" | "refuses" | "fails";

/** A server as a simulation begins. */
export interface ServerSetup {
  /** Requests that it serves at the same time; further ones wait in line, first come, first served. */
  readonly slots: number;
  /** How long a request takes on average that it begins now. */
  readonly meanMs: number;
  /** What routers are told; 0 for one that is not on the list yet. */
  readonly weight: number;
  /** Whether it is one that a scenario does something to at this time. */
  readonly isAffected?: boolean;
}

/** A server as it is, which no router sees. */
export interface Server extends Required<ServerSetup> {
  meanMs: number;
  state: ServerState;
  weight: number;
  isAffected: boolean;
  readonly serving: Set<Attempt>;
  waiting: number;
  first: Attempt | undefined;
  last: Attempt | undefined;
}

/** What a request is, whichever server has it. */
export interface SimulatedRequest {
  /** When it came to its router. */
  readonly arrivedMs: number;
  /** Its service time as a multiple of its server's mean. */
  readonly size: number;
  /** Names its user. */
  readonly keyHash: number;
  /** Whether the warm-up was over when it came. */
  readonly counted: boolean;
  readonly worker: Worker;
}

/** A request at a server. One that is sent again is another attempt. */
export interface Attempt {
  readonly request: SimulatedRequest;
  /** Where it was sent before. */
  readonly tried: readonly PeerLoad[];
  readonly load: PeerLoad;
  /** Whether its peer is ejected, and it tries it. */
  readonly isProbe: boolean;
  /** On its worker's clock. */
  readonly beganMs: number;
  /** How long it is served, waiting apart; 0 until then. */
  servedMs: number;
  endsMs: number;
  /** Whether its server has gone away under it. */
  isLost: boolean;
  /** Behind it in its server's line. */
  next: Attempt | undefined;
}

export function createServer({ slots, meanMs, weight, isAffected = false }: ServerSetup): Server {
  const line = { waiting: 0, first: undefined, last: undefined };
  return { slots, meanMs, state: "serves", weight, isAffected, serving: new Set(), ...line };
}

/** The id of a server, by its place. */
export function idOf(server: number): string {
  return `server-${server + 1}`;
}

/** What it has under way or in line, from all routers. */
export function inFlightAt(server: Server): number {
  return server.serving.size + server.waiting;
}

/** How long a request would take on average, if it came now. */
export function expectedMs(server: Server): number {
  if (server.state !== "serves") return Number.POSITIVE_INFINITY;
  const ahead = inFlightAt(server) + 1 - server.slots;
  return server.meanMs * (ahead > 0 ? 1 + ahead / server.slots : 1);
}

export function joinLine(server: Server, attempt: Attempt): void {
  if (server.last === undefined) server.first = attempt;
  else server.last.next = attempt;
  server.last = attempt;
  server.waiting++;
}

/** The one that has waited longest, taken out of the line; undefined when nobody waits. */
export function leaveLine(server: Server): Attempt | undefined {
  const { first } = server;
  if (first === undefined) return undefined;
  server.first = first.next;
  if (server.first === undefined) server.last = undefined;
  first.next = undefined;
  server.waiting--;
  return first;
}

/** Everything that it has under way or in line, taken away from it. */
export function loseAll(server: Server): Attempt[] {
  const lost = [...server.serving];
  server.serving.clear();
  for (let next = leaveLine(server); next !== undefined; next = leaveLine(server)) lost.push(next);
  return lost;
}
