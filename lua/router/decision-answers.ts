import type { Plan } from "../core/plan.ts";
import { type Decision, decisionOf, lastDecision } from "./decisions.ts";
import { answers } from "./dicts.ts";
import { encodeJson, jsonArray } from "./json.ts";

/** Hands the decisions of all workers to the one that serves the admin API, by way of shared memory. */

/** Where it could be more than this, candidates are left out: all workers' answers must fit into the dict. */
const MOST_CANDIDATES = 5000;

const ASK = "ask";
const ASKED = "asked";
const BUSY = "busy";
const WAIT_SECONDS = 0.01;
const PATIENCE_SECONDS = 1;

/** Decisions, newest first, as JSON; and how many workers have not answered in time. */
export interface Collected {
  readonly decisions: string[];
  readonly missingWorkers: number;
}

/**
 * Asks every worker for what it has kept, newest first. For the admin API: waits some ticks of the workers.
 * @param service all services where it is empty
 * @param requestId all requests where it is empty
 * @returns undefined when others ask at the same time for too long
 */
export function collectDecisions(service: string, requestId: string, limit: number): Collected | undefined {
  const startedAt = ngx.now();
  while (!answers.add(BUSY, 1, PATIENCE_SECONDS * 2)[0]) {
    if (ngx.now() - startedAt > PATIENCE_SECONDS) return undefined;
    ngx.sleep(WAIT_SECONDS);
  }
  const [asked] = answers.incr(ASKED, 1, 0);
  answers.set(ASK, `${asked}\n${service}\n${requestId}\n${limit}`);
  const texts: string[] = [];
  const missing = new LuaSet<number>();
  for (let worker = 0; worker < ngx.worker.count(); worker++) missing.add(worker);
  let left = ngx.worker.count();
  const askedAt = ngx.now();
  while (left > 0 && ngx.now() - askedAt < PATIENCE_SECONDS) {
    for (const worker of missing) {
      const key = `answer:${asked}:${worker}`;
      const text = answers.get(key) as string | undefined;
      if (text !== undefined) {
        answers.delete(key);
        missing.delete(worker);
        left--;
        for (const [line] of string.gmatch(text, "[^\n]+")) texts.push(line!);
      }
    }
    if (left > 0) ngx.sleep(WAIT_SECONDS);
  }
  answers.delete(BUSY);
  table.sort(texts, (a, b) => a > b);
  const newest: string[] = [];
  // Each line begins with its time, by which it was sorted.
  for (let i = 0; i < texts.length && i < limit; i++) newest.push(string.match(texts[i]!, "^%S+ (.*)$")[0]!);
  return { decisions: newest, missingWorkers: left };
}

let answered = "";

/** Gives what this worker has kept to whoever has asked; to be called often. */
export function answerIfAsked(): void {
  const ask = answers.get(ASK) as string | undefined;
  if (ask === undefined || ask === answered) return;
  answered = ask;
  const [asked, service, requestId, limit] = string.match(ask, "^(%d+)\n([^\n]*)\n([^\n]*)\n(%d+)$");
  if (asked === undefined) return;
  const most = tonumber(limit)!;
  const lines: string[] = [];
  for (let number = lastDecision(); lines.length < most; number--) {
    const decision = decisionOf(number);
    if (decision === undefined) break;
    if (service !== "" && decision.facts.service !== service) continue;
    if (requestId !== "" && decision.requestId !== requestId) continue;
    lines.push(
      `${string.format("%015.0f.%09d", decision.atMs, number)} ${decisionJson(decision, most * decision.candidateCount <= MOST_CANDIDATES)}`,
    );
  }
  answers.set(`answer:${asked}:${ngx.worker.id()}`, table.concat(lines, "\n"), PATIENCE_SECONDS * 2);
}

function decisionJson(decision: Decision, withCandidates: boolean): string {
  const { facts, pool } = decision;
  const fields = encodeJson({
    requestId: decision.requestId,
    at: decision.atMs,
    worker: ngx.worker.pid(),
    service: facts.service,
    mode: facts.mode,
    panic: facts.panic,
    algorithm: decision.algorithm,
    rule: decision.rule > 0 ? decision.rule : undefined,
    attempt: decision.attempt,
    peer: decision.peer,
    reason: decision.reason,
    status: decision.status,
    tookMs: decision.tookMs,
    candidateCount: decision.candidateCount,
  });
  const candidates = pool !== undefined && withCandidates ? candidatesOf(decision, pool.plan) : [];
  return `${string.sub(fields, 1, -2)},"candidates":${jsonArray(candidates)}}`;
}

function candidatesOf(decision: Decision, plan: Plan): string[] {
  const candidates: string[] = [];
  for (let i = 0; i < plan.ids.length; i++) {
    const cost = decision.costs[i];
    const wasOut = cost !== undefined && cost === Infinity;
    const why = plan.ids[i] === decision.peer ? "picked" : wasOut ? "tried before" : "not picked";
    candidates.push(encodeJson({ id: plan.ids[i], weight: plan.weights[i], cost: wasOut ? undefined : cost, why }));
  }
  return candidates;
}
