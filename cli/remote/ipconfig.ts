import { setTimeout as delay } from "node:timers/promises";
import type { ServiceList } from "../../lua/core/types.ts";
import { EXIT, RoutectlError } from "../errors.ts";
import { getJson, type Remote, wrongPart } from "./http.ts";

/** A router, as an ipconfig knows it. */
export interface RouterReport {
  readonly node: string;
  readonly ageMs: number;
  readonly workerCount: number;
  /** The URL of the ipconfig that it uses. */
  readonly ipconfig: string;
  readonly workers: readonly { worker: number; pid: number; epoch: string; revision: number }[];
}

export interface RoutersAnswer {
  readonly epoch: string | null;
  readonly revision: number;
  readonly routers: readonly RouterReport[];
}

export type ServiceAnswer = ServiceList & { service: string; epoch: string; revision: number };

export function ipconfigAt(urls: string): Remote {
  return { part: "ipconfig", urls, hint: "start one with routectl ipconfig, or name it with --ipconfig URL" };
}

export async function fetchRouters(remote: Remote): Promise<RoutersAnswer & { url: string }> {
  const { value, url } = await getJson<RoutersAnswer>(remote, "/v1/routers");
  return { ...value, url };
}

export async function fetchServiceList(remote: Remote, service: string): Promise<ServiceAnswer> {
  const { value, url } = await getJson<ServiceAnswer>(remote, `/v1/services/${service}`);
  // A router answers there, too.
  if (!Array.isArray(value.instances)) throw wrongPart(remote, url, "it lists no instances");
  return value;
}

/** `GET /v1/services/NAME/scores`: how each score came about. */
export interface ScoresAnswer {
  readonly service: string;
  /** Null when nobody reports for the service. */
  readonly coefficients: Readonly<Record<string, number>> | null;
  readonly instances: readonly {
    id: string;
    state: "up" | "down" | "unscored";
    reason?: string;
    features?: Record<string, number>;
    presence: number;
    raw: number;
    damped: number;
    score: number;
  }[];
}

export async function fetchScores(remote: Remote, service: string): Promise<ScoresAnswer> {
  return (await getJson<ScoresAnswer>(remote, `/v1/services/${service}/scores`)).value;
}

const ASK_AGAIN_MS = 25;
const ASK_AGAIN_WHEN_SILENT_MS = 250;

/**
 * Waits until every worker of every live router applies a revision. An ipconfig that does not answer is asked again.
 * @param onSilent is told at once that none answers
 * @param readEpoch reads the epoch that the revision is of, which is not there before ipconfig has seen new data; not given:
 * whichever ipconfig serves
 * @returns the routers
 * @throws `not-converged` (exit 8) that names who is behind; `ipconfig-unreachable` (exit 3) when none has ever answered
 */
export async function waitForRevision(
  remote: Remote,
  revision: number,
  timeoutMs: number,
  onSilent: (message: string) => void,
  readEpoch?: () => Promise<string | undefined>,
): Promise<RoutersAnswer> {
  const deadline = performance.now() + timeoutMs;
  let hasAnswered = false;
  let isSilent = false;
  let epoch: string | undefined;
  while (true) {
    let behind: string | undefined;
    try {
      const answer = await fetchRouters(remote);
      hasAnswered = true;
      isSilent = false;
      const isChecked = readEpoch !== undefined && answer.epoch !== null;
      if (isChecked && answer.epoch !== epoch) epoch = await readEpoch();
      const isOther = isChecked && answer.epoch !== epoch;
      behind = isOther ? "ipconfig serves data of another epoch than etcd's" : describeBehind(answer, revision);
      if (behind === undefined) return answer;
    } catch (error) {
      const goesOn = error instanceof RoutectlError && error.code === "ipconfig-unreachable";
      if (!goesOn || (!hasAnswered && performance.now() >= deadline)) throw error;
      behind = error.message;
      if (!isSilent) onSilent(`${behind}; it is asked again until the time is over`);
      isSilent = true;
    }
    if (performance.now() >= deadline) {
      throw new RoutectlError(
        "not-converged",
        EXIT.notConverged,
        `revision ${revision} is not applied everywhere after ${Number((timeoutMs / 1000).toFixed(1))} s: ${behind}; see routectl status`,
      );
    }
    await delay(isSilent ? ASK_AGAIN_WHEN_SILENT_MS : ASK_AGAIN_MS);
  }
}

function describeBehind({ epoch, revision: newest, routers }: RoutersAnswer, revision: number): string | undefined {
  if (newest < revision) return `ipconfig is at revision ${newest}`;
  if (routers.length === 0) return "no router reports to this ipconfig";
  const behind = routers.filter(
    ({ workers, workerCount }) =>
      workers.length < workerCount || workers.some((worker) => worker.epoch !== epoch || worker.revision < revision),
  );
  if (behind.length === 0) return undefined;
  return `behind: ${behind.map(({ node }) => node).join(", ")}`;
}
