import { state } from "./dicts.ts";
import { httpRequest } from "./http-client.ts";
import { encodeJson, jsonArray } from "./json.ts";
import { headText, leftEpochs, leftEpochsText, parsePosition } from "./routes.ts";
import { type IpconfigUrl, settings } from "./settings.ts";

/** What a worker applies, as it is reported to ipconfig and shown by the admin API. */
export interface WorkerPosition {
  readonly worker: number;
  readonly pid: number;
  readonly epoch: string;
  readonly revision: number;
}

/** A worker that says nothing for this long is gone. */
const EXPIRY_SECONDS = 3;
const RENEW_SECONDS = 1;
const HEARTBEAT_SECONDS = 2;
const TIMEOUT_MS = 1000;

let noted = "";
let notedAt = 0;

/** Says in shared memory up to where this worker applies; to be called after the tables were brought up to date. */
export function noteApplied(): void {
  const head = headText();
  if (head === undefined) return;
  const now = ngx.now();
  if (head === noted && now - notedAt < RENEW_SECONDS) return;
  noted = head;
  notedAt = now;
  state.set(`ack:${ngx.worker.id()}`, `${head} ${ngx.worker.pid()}`, EXPIRY_SECONDS);
}

/** What every worker applies; a worker that has just started may be missing. */
export function workerPositions(): WorkerPosition[] {
  const positions: WorkerPosition[] = [];
  for (let worker = 0; worker < ngx.worker.count(); worker++) {
    const text = state.get(`ack:${worker}`) as string | undefined;
    if (text !== undefined) {
      const [head, pid] = string.match(text, "^(.*) (%d+)$");
      const position = parsePosition(head!);
      if (position !== undefined) positions.push({ worker, pid: tonumber(pid)!, ...position });
    }
  }
  return positions;
}

let reported = "";
let reportedAt = 0;
const underWay = new LuaSet<string>();

/** Tells every ipconfig what the workers apply, when that has changed, and as a sign of life. For the refresh leader. */
export function reportIfDue(): void {
  const facts = reportedFacts();
  const now = ngx.now();
  if (facts === reported && now - reportedAt < HEARTBEAT_SECONDS) return;
  reported = facts;
  reportedAt = now;
  const body = reportBody();
  for (const target of settings.urls) {
    if (!underWay.has(target.url)) ngx.timer.at(0, report, target, body);
    // Not now, then with the next tick.
    else reported = "";
  }
}

/** What a report depends on, as it is in shared memory: looked at with every tick, where to write JSON would cost most of it. */
function reportedFacts(): string {
  let facts = `${(state.get("ipconfig") as string | undefined) ?? ""} ${leftEpochsText()}`;
  for (let worker = 0; worker < ngx.worker.count(); worker++) {
    facts += ` ${(state.get(`ack:${worker}`) as string | undefined) ?? "-"}`;
  }
  return facts;
}

function reportBody(): string {
  const workers: string[] = [];
  for (const position of workerPositions()) workers.push(encodeJson(position));
  const ipconfig = encodeJson((state.get("ipconfig") as string | undefined) ?? "");
  const left: string[] = [];
  for (const epoch of leftEpochs()) left.push(encodeJson(epoch));
  const fields = `"workerCount":${ngx.worker.count()},"ipconfig":${ipconfig},"leftEpochs":${jsonArray(left)}`;
  return `{${fields},"workers":${jsonArray(workers)}}`;
}

function report(this: void, premature: boolean, target: IpconfigUrl, body: string): void {
  if (premature) return;
  underWay.add(target.url);
  // A replica that is away is noticed by the poll; here it only must not hold up the others.
  pcall(() => httpRequest("POST", target, `/v1/routers/${settings.node}/ack`, body, TIMEOUT_MS));
  underWay.delete(target.url);
}
