import { DEFAULT_MAX_ATTEMPTS } from "../../lua/core/policy.ts";
import { isWithinBudget } from "../../lua/core/retry.ts";
import type { Change } from "./cluster.ts";
import { noteFailure, noteSuccess } from "./responses.ts";
import { publish, type Run, weighAffected } from "./run.ts";
import { type Attempt, joinLine, leaveLine, loseAll, type Server, type SimulatedRequest } from "./server.ts";
import { type Choice, chooseNext, type PeerLoad, refreshView } from "./worker.ts";

type Ending = "answered" | "failed" | "unanswered";

/** Sends a request to the peer that was chosen for it. */
export function send(
  run: Run,
  request: SimulatedRequest,
  tried: readonly PeerLoad[],
  { load, isProbe }: Choice,
  nowMs: number,
): void {
  const server = run.servers[load.server]!;
  load.inFlight++;
  request.worker.inFlight++;
  if (request.counted) {
    run.observations.counts[load.server]!++;
    run.observations.affectedIfFair += run.affectedPart;
    if (server.isAffected) run.observations.affected++;
  }
  run.reaction?.note(nowMs, server.isAffected, run.affectedPart);
  const beganMs = Math.floor(nowMs);
  const unfinished = { servedMs: 0, endsMs: nowMs, isLost: false, next: undefined };
  const attempt: Attempt = { request, tried, load, isProbe, beganMs, ...unfinished };
  if (server.state !== "serves") run.agenda.add(attempt);
  else if (server.serving.size < server.slots) serve(run, server, attempt, nowMs);
  else joinLine(server, attempt);
}

function serve(run: Run, server: Server, attempt: Attempt, nowMs: number): void {
  server.serving.add(attempt);
  attempt.servedMs = attempt.request.size * server.meanMs;
  attempt.endsMs = nowMs + attempt.servedMs;
  run.agenda.add(attempt);
}

/** An attempt on the agenda is due. */
export function end(run: Run, attempt: Attempt, nowMs: number): void {
  if (attempt.isLost) return;
  const server = run.servers[attempt.load.server]!;
  if (!server.serving.delete(attempt)) {
    return conclude(run, attempt, server.state === "fails" ? "failed" : "unanswered", nowMs);
  }
  const next = leaveLine(server);
  if (next !== undefined) serve(run, server, next, nowMs);
  conclude(run, attempt, "answered", nowMs);
}

/** The router gets the answer, or that there is none; then it may try another peer. */
function conclude(run: Run, attempt: Attempt, ending: Ending, nowMs: number): void {
  const { request, load } = attempt;
  const clockMs = Math.floor(nowMs);
  load.inFlight--;
  request.worker.inFlight--;
  run.scoreFeed?.note(attempt, ending === "answered", nowMs);
  if (ending === "answered") {
    noteSuccess(attempt, clockMs);
    if (request.counted) run.observations.responseMs.push(nowMs - request.arrivedMs);
    return;
  }
  if (run.contender.isOmniscient !== true) noteFailure(attempt, ending === "unanswered", clockMs);
  // As nginx is configured: an answer is passed on, whatever it says.
  if (ending === "unanswered" && sendAgain(run, attempt, nowMs)) return;
  if (request.counted) run.observations.failed++;
}

function sendAgain(run: Run, { request, tried: before, load }: Attempt, nowMs: number): boolean {
  const { worker, keyHash } = request;
  const tried = [...before, load];
  if (tried.length >= DEFAULT_MAX_ATTEMPTS || !isWithinBudget(worker, undefined)) return false;
  const clockMs = Math.floor(nowMs);
  refreshView(worker, run.list, clockMs);
  const choice = chooseNext(worker, keyHash, tried, clockMs);
  if (choice === undefined) return false;
  worker.retries++;
  if (request.counted) run.observations.retries++;
  send(run, request, tried, choice, nowMs);
  return true;
}

/** Something happens to a server. One that goes away loses what it has under way. */
export function applyChange(run: Run, change: Change, nowMs: number): void {
  const server = run.servers[change.server]!;
  server.meanMs = change.meanMs ?? server.meanMs;
  server.isAffected = change.isAffected ?? server.isAffected;
  server.state = change.state ?? server.state;
  if (change.weight !== undefined) {
    server.weight = change.weight;
    publish(run);
  } else weighAffected(run);
  if (server.state === "serves") return;
  for (const attempt of loseAll(server)) {
    attempt.isLost = true;
    conclude(run, attempt, "unanswered", nowMs);
  }
}
