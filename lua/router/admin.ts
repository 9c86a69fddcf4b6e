import { explain } from "../core/explain.ts";
import { isName } from "../core/names.ts";
import { isIntegerWithin } from "../core/numbers.ts";
import { algorithmInForce } from "../core/plan.ts";
import { healthOf, sharesOf } from "../core/routing.ts";
import type { Override, ServiceList } from "../core/types.ts";
import { VERSION } from "../core/version.ts";
import { modeOf } from "../core/weights.ts";
import { workerPositions } from "./acknowledge.ts";
import { collectDecisions } from "./decision-answers.ts";
import { routes, state } from "./dicts.ts";
import { listAgeMs } from "./freshness.ts";
import { inFlightAt, livingWorkers } from "./in-flight.ts";
import { encodeJson, jsonArray, NULL } from "./json.ts";
import { leaderPid } from "./leader.ts";
import { writeMetrics } from "./metrics.ts";
import { currentPosition, readList, serviceNames } from "./routes.ts";
import { settings } from "./settings.ts";
import { situationOf } from "./situation.ts";

const SERVICES_PER_SLICE = 8;

/** The read-only admin API. Every answer is JSON, `/metrics` apart. */
export function admin(): void {
  const method = ngx.var["request_method"];
  if (method !== "GET" && method !== "HEAD")
    return answer(405, failure("method-not-allowed", "the admin API is read-only: use GET"));
  const path = ngx.var["uri"] ?? "/";
  if (path === "/metrics") return writeMetrics();
  if (path === "/v1/status") return answer(200, status());
  if (path === "/v1/services") return answer(200, allServices());
  if (path === "/v1/decisions") return decisions();
  const [service, rest] = string.match(path, "^/v1/services/([^/]+)(/?[a-z]*)$");
  if (service === undefined || (rest !== "" && rest !== "/explain")) {
    return answer(
      404,
      failure(
        "not-found",
        "try /v1/status, /v1/services, /v1/services/NAME, /v1/services/NAME/explain?key=K, /v1/decisions or /metrics",
      ),
    );
  }
  const [list] = readList(isName(service) ? service : "");
  if (list === undefined)
    return answer(404, failure("unknown-service", "this router has no such service: see /v1/services"));
  if (rest === "") return answer(200, oneService(service, list));
  const key = ngx.var["arg_key"];
  if (key === undefined) return answer(400, failure("no-key", "say which key: /v1/services/NAME/explain?key=K"));
  return answer(200, explanation(service, list, ngx.unescape_uri(key)));
}

function answer(status: number, json: string): void {
  ngx.status = status;
  ngx.header["Content-Type"] = "application/json";
  ngx.say(json);
}

function failure(error: string, message: string): string {
  return encodeJson({ error, message });
}

/** The age of the list, null when no ipconfig has answered since the list was first read. */
function ageForJson(): number | object {
  return state.get("freshAtMs") === undefined ? NULL : Math.floor(listAgeMs());
}

function status(): string {
  const position = currentPosition();
  const workers: string[] = [];
  for (const worker of workerPositions()) workers.push(encodeJson(worker));
  const urls: string[] = [];
  for (const { url } of settings.urls) urls.push(encodeJson(url));
  const fields = encodeJson({
    node: settings.node,
    version: VERSION,
    mode: modeOf("normal", listAgeMs(), settings.staleAfterMs),
    epoch: position?.epoch ?? NULL,
    revision: position?.revision ?? NULL,
    listAgeMs: ageForJson(),
    services: serviceNames().length,
    leaderPid: leaderPid() ?? NULL,
    workerCount: ngx.worker.count(),
    ipconfig: state.get("ipconfig") ?? NULL,
    ipconfigError: state.get("ipconfigError") ?? NULL,
    routesFreeBytes: routes.free_space(),
    routesCapacityBytes: routes.capacity(),
  });
  return `${string.sub(fields, 1, -2)},"ipconfigUrls":${jsonArray(urls)},"workers":${jsonArray(workers)}}`;
}

function allServices(): string {
  const items: string[] = [];
  for (const service of serviceNames()) {
    const [list, tableVersion] = readList(service);
    // Requests come first: many services must not hold up the worker.
    if (items.length % SERVICES_PER_SLICE === SERVICES_PER_SLICE - 1) ngx.sleep(0);
    if (list !== undefined) {
      const situation = situationOf(service, list);
      let healthy = 0;
      for (const weight of healthOf(list, situation).weights) if (weight > 0) healthy++;
      const algorithm = algorithmInForce(list.policy, situation.mode);
      const { mode } = situation;
      const { version, instances } = list;
      // Workers build a service's table anew when its tableVersion is another one.
      items.push(encodeJson({ service, mode, algorithm, version, tableVersion, members: instances.length, healthy }));
    }
  }
  return `{"services":${jsonArray(items)}}`;
}

function oneService(service: string, list: ServiceList): string {
  const situation = situationOf(service, list);
  const { weights, states, panic } = healthOf(list, situation);
  const algorithm = algorithmInForce(list.policy, situation.mode);
  const parts = sharesOf(list, weights, algorithm);
  const pids = livingWorkers();
  const peers: string[] = [];
  for (let i = 0; i < weights.length; i++) {
    const { id, address, port, baseWeight, score, override, metadata } = list.instances[i]!;
    const weight = weights[i]!;
    const share = parts[i]!;
    peers[i] = encodeJson({
      id,
      address,
      port,
      baseWeight,
      score,
      weight,
      share,
      state: states[i],
      inFlight: inFlightAt(pids, service, id),
      override: override === undefined ? NULL : overrideForJson(override),
      metadata,
    });
  }
  const position = currentPosition();
  const fields = encodeJson({
    service,
    mode: situation.mode,
    algorithm,
    panic,
    epoch: position?.epoch ?? NULL,
    revision: position?.revision ?? NULL,
    listAgeMs: ageForJson(),
    policy: list.policy,
  });
  return `${string.sub(fields, 1, -2)},"peers":${jsonArray(peers)}}`;
}

const MOST_DECISIONS = 1000;
const DEFAULT_DECISIONS = 100;

function decisions(): void {
  const service = ngx.var["arg_service"] ?? "";
  if (service !== "" && !isName(service)) return answer(400, failure("bad-service", "service must be a name"));
  const requestId = ngx.unescape_uri(ngx.var["arg_requestId"] ?? "");
  if (string.find(requestId, "[%c]")[0] !== undefined)
    return answer(400, failure("bad-id", "requestId must be one line"));
  const limit = tonumber(ngx.var["arg_limit"] ?? `${DEFAULT_DECISIONS}`);
  if (!isIntegerWithin(limit, 1, MOST_DECISIONS)) {
    return answer(400, failure("bad-limit", `limit must be a whole number from 1 to ${MOST_DECISIONS}`));
  }
  const found = collectDecisions(service, requestId, limit);
  if (found === undefined) return answer(503, failure("busy", "others are asking for decisions: try again"));
  answer(200, `{"missingWorkers":${found.missingWorkers},"decisions":${jsonArray(found.decisions)}}`);
}

function overrideForJson(override: Override): object {
  return { ...override, expiresAt: override.expiresAt ?? NULL };
}

function explanation(service: string, list: ServiceList, key: string): string {
  const { algorithm, mode, rule, peer, candidates, order } = explain(list, situationOf(service, list), key);
  const position = currentPosition();
  const fields = encodeJson({
    service,
    key,
    peer: peer ?? NULL,
    rule: rule ?? NULL,
    revision: position?.revision ?? NULL,
    algorithm,
    mode,
  });
  const items: string[] = [];
  for (const candidate of candidates) items.push(encodeJson(candidate));
  const ids: string[] = [];
  for (const id of order) ids.push(encodeJson(id));
  return `${string.sub(fields, 1, -2)},"candidates":${jsonArray(items)},"order":${jsonArray(ids)}}`;
}
