import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Each request is one of so many users, as consistent-hash wants it. */
export const USERS = 64;

/** For wrk: requests of many users, made before the load begins. */
export const WRK_SCRIPT = `local requests, sent = {}, 0
function init()
  for user = 1, ${USERS} do requests[user] = wrk.format("GET", nil, { ["X-User-Id"] = "user-" .. user }) end
end
function request()
  sent = sent % ${USERS} + 1
  return requests[sent]
end
`;

/**
 * A load of `connections` that each send their next request when the last one is answered.
 * @returns the number of requests that were answered
 * @throws when one was not answered with 200
 */
export async function closedLoop(url: string, seconds: number, connections: number, script: string): Promise<number> {
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "-s", script, url];
  const { stdout } = await promisify(execFile)("wrk", args);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0);
  if (requests === 0 || /Non-2xx|Socket errors/.test(stdout)) throw new Error(`load on ${url}:\n${stdout}`);
  return requests;
}
