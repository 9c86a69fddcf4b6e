import { isName } from "../core/names.ts";
import { isIntegerWithin, MAX_PORT } from "../core/numbers.ts";

/** What `init_by_lua_block` hands to the router. */
export interface Settings {
  /** URLs of ipconfig replicas, separated by commas: `http://10.0.0.1:9146,http://10.0.0.2:9146`. */
  readonly ipconfig: string;
  /** Where the last good list is kept; its directory must be writable for the workers. */
  readonly lastGoodFile: string;
  /** The router's name in `routectl status`; default: the host's name. */
  readonly node?: string;
  /** Without a good answer for this long the router falls back to the last good list; milliseconds. */
  readonly staleAfterMs?: number;
  /** The half-life of what the last good list says; milliseconds. */
  readonly fallbackHalfLifeMs?: number;
  /** How many requests may be in flight in this router at a time, 1..10,000,000; those beyond are answered 503. */
  readonly maxInFlight?: number;
  /** A file with the secret that signs the cookies of `policy.sticky`, at least 16 bytes; the same on every router. */
  readonly stickySecretFile?: string;
  /** Whether the variables of the log format `routectl` are filled. */
  readonly accessLog?: boolean;
  /** The nginx variable that names a request in `routectl decisions`, such as `request_id`; default: a number of the router's own. */
  readonly requestIdVariable?: string;
}

export interface IpconfigUrl {
  readonly url: string;
  readonly host: string;
  readonly port: number;
}

interface RouterSettings {
  urls: readonly IpconfigUrl[];
  node: string;
  lastGoodFile: string;
  staleAfterMs: number;
  halfLifeMs: number;
  /** This worker's part of `maxInFlight`. */
  maxInFlightOfWorker: number;
  /** Empty where there is none. */
  stickySecret: string;
  accessLog: boolean;
  requestIdVariable: string;
}

/** The settings in force, read by every other module. Filled once, before the workers start. */
export const settings: RouterSettings = {
  urls: [],
  node: "router",
  lastGoodFile: "",
  staleAfterMs: 5000,
  halfLifeMs: 60_000,
  maxInFlightOfWorker: Infinity,
  stickySecret: "",
  accessLog: false,
  requestIdVariable: "",
};

const DEFAULT_MAX_IN_FLIGHT = 50_000;
const LEAST_SECRET_BYTES = 16;

/** Checks and takes the settings. Throws with the reason, so that nginx does not start with wrong ones. */
export function applySettings(given: Settings): void {
  settings.urls = parseUrls(given.ipconfig);
  if (typeof given.lastGoodFile !== "string" || given.lastGoodFile === "") {
    throw "routectl: init: lastGoodFile must name a file";
  }
  settings.lastGoodFile = given.lastGoodFile;
  const node = given.node !== undefined && given.node !== "" ? given.node : hostName();
  if (!isName(node)) throw `routectl: init: node "${node}" is not a name (lower-case letters, digits, . _ -)`;
  settings.node = node;
  settings.staleAfterMs = duration("staleAfterMs", given.staleAfterMs, settings.staleAfterMs);
  settings.halfLifeMs = duration("fallbackHalfLifeMs", given.fallbackHalfLifeMs, settings.halfLifeMs);
  const maxInFlight = given.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT;
  if (!isIntegerWithin(maxInFlight, 1, 10_000_000)) throw "routectl: init: maxInFlight must be 1 to 10000000";
  settings.maxInFlightOfWorker = Math.max(1, Math.floor(maxInFlight / ngx.worker.count()));
  settings.stickySecret = given.stickySecretFile === undefined ? "" : readSecret(given.stickySecretFile);
  settings.accessLog = given.accessLog === true;
  settings.requestIdVariable = given.requestIdVariable ?? "";
}

function readSecret(path: string): string {
  const [file, error] = io.open(path, "rb");
  if (file === undefined) throw `routectl: init: stickySecretFile can't be read: ${error}`;
  const [secret] = string.match(file.read("*a") as string, "^%s*(.-)%s*$");
  file.close();
  if (secret === undefined || secret.length < LEAST_SECRET_BYTES) {
    throw `routectl: init: stickySecretFile ${path} must hold at least ${LEAST_SECRET_BYTES} bytes`;
  }
  return secret;
}

function duration(name: string, given: unknown, otherwise: number): number {
  if (given === undefined) return otherwise;
  if (!isIntegerWithin(given, 100, 86_400_000)) throw `routectl: init: ${name} must be milliseconds, 100 to 86400000`;
  return given;
}

function parseUrls(list: unknown): IpconfigUrl[] {
  if (typeof list !== "string") throw "routectl: init: ipconfig must be one or more URLs, separated by commas";
  const urls: IpconfigUrl[] = [];
  for (const [url] of string.gmatch(list, "[^,%s]+")) {
    const [host, port] = string.match(url!, "^http://(%[?[%w.:_-]+%]?):(%d+)/?$");
    const number = tonumber(port);
    if (host === undefined || !isIntegerWithin(number, 1, MAX_PORT)) {
      throw `routectl: init: ipconfig URL "${url}" is not of the form http://HOST:PORT`;
    }
    // nginx needs a resolver for names; this one is always known.
    urls[urls.length] = { url: url!, host: host === "localhost" ? "127.0.0.1" : host, port: number };
  }
  if (urls.length === 0) throw "routectl: init: ipconfig names no URL";
  return urls;
}

function hostName(): string {
  const [file] = io.open("/proc/sys/kernel/hostname", "r");
  if (file === undefined) return "router";
  const name = file.read("*l") as string | undefined;
  file.close();
  return name !== undefined && name !== "" ? string.lower(name) : "router";
}
