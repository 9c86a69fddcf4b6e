import type { Algorithm, Mode } from "../../lua/core/types.ts";
import { openStore, type Store, type StoreOptions } from "../store/etcd.ts";
import { type Member, readMembers } from "../store/members.ts";
import { decodeStatus, type Sample } from "../store/status.ts";
import { withoutUser } from "../store/without-user.ts";
import { getJson, splitUrls } from "./http.ts";
import { fetchRouters, ipconfigAt, type RouterReport } from "./ipconfig.ts";
import { findLostData } from "./lost-data.ts";
import { fetchStatus, type RouterStatus, routerAt } from "./router.ts";

interface PartStatus {
  readonly url: string;
  readonly reachable: boolean;
  readonly error?: string;
}

/** What `routectl status` shows. */
export interface Status {
  readonly etcd: PartStatus & { revision?: number; epoch?: string | null; members: readonly Member[] };
  readonly ipconfigs: readonly (PartStatus & { epoch?: string | null; revision?: number })[];
  readonly exporters: readonly ExporterLine[];
  /** Those that were asked, and those that only report to an ipconfig. */
  readonly routers: readonly RouterLine[];
  readonly services: readonly { service: string; mode: Mode; algorithm: Algorithm; members: number; healthy: number }[];
  /** What is wrong although every part answers, and what to do. */
  readonly findings: readonly string[];
}

interface ExporterLine {
  readonly id: string;
  readonly services: number;
  readonly instances: number;
  /** Since its last samples; null when it has none. */
  readonly lagMs: number | null;
  /** The instances that it can't get samples from. */
  readonly troubled: readonly { service: string; id: string; state: Sample["state"]; reason: string | null }[];
}

interface RouterLine {
  readonly node: string;
  readonly url: string | null;
  readonly reportedBy: string | null;
  readonly reachable: boolean;
  readonly error?: string;
  readonly mode: Mode | null;
  readonly revision: number | null;
  readonly listAgeMs: number | null;
  readonly ipconfig: string | null;
  readonly ipconfigError: string | null;
  readonly workerCount: number;
  readonly workers: RouterStatus["workers"];
}

/** Asks every part at once; one that does not answer is part of the picture, not an error. */
export async function readStatus(etcd: StoreOptions, ipconfigUrls: string, routerUrls: string): Promise<Status> {
  const ipconfig = ipconfigAt(ipconfigUrls);
  const router = routerAt(routerUrls);
  const [{ exporters, ...etcdStatus }, members, ipconfigs, asked, services] = await Promise.all([
    askEtcd(etcd),
    readMembers(etcd),
    Promise.all(splitUrls(ipconfig).map(askIpconfig)),
    Promise.all(splitUrls(router).map(askRouter)),
    getJson<{ services: Status["services"] }>(router, "/v1/services").then(
      ({ value }) => value.services,
      () => [],
    ),
  ]);
  const reported = ipconfigs.flatMap(({ url, routers }) => routers.map((report) => reportedLine(report, url)));
  const seen = new Set(asked.map(({ node }) => node));
  const routers = [...asked];
  for (const line of reported) {
    if (!seen.has(line.node)) routers.push(line);
    seen.add(line.node);
  }
  return {
    etcd: { ...etcdStatus, members },
    exporters,
    ipconfigs: ipconfigs.map(({ routers: _, ...rest }) => rest),
    routers,
    services,
    findings: await findLostData(etcd, etcdStatus, ipconfigs),
  };
}

async function askEtcd(options: StoreOptions): Promise<Omit<Status["etcd"], "members"> & Pick<Status, "exporters">> {
  const store = openStore(options);
  try {
    const { item, revision } = await store.get(store.keys.epoch());
    const epoch = item?.value ?? null;
    return { url: store.urls, reachable: true, revision, epoch, exporters: await readExporters(store) };
  } catch (error) {
    return { url: store.urls, reachable: false, error: (error as Error).message, exporters: [] };
  } finally {
    store.close();
  }
}

async function readExporters(store: Store): Promise<ExporterLine[]> {
  const lines = new Map<
    string,
    { services: number; instances: number; at: number; troubled: ExporterLine["troubled"][number][] }
  >();
  const [exporters, statuses] = await Promise.all([
    store.list(store.keys.exporter("")),
    store.list(store.keys.statuses()),
  ]);
  for (const { key } of exporters.items) {
    const parsed = store.keys.parse(key);
    if (parsed?.kind === "exporter") lines.set(parsed.id, { services: 0, instances: 0, at: 0, troubled: [] });
  }
  for (const { key, value } of statuses.items) {
    const parsed = store.keys.parse(key);
    const status = decodeStatus(value, () => undefined);
    const line = parsed?.kind === "status" ? lines.get(parsed.id) : undefined;
    if (parsed?.kind !== "status" || status === undefined || line === undefined) continue;
    line.services++;
    line.instances += status.samples.size;
    line.at = Math.max(line.at, status.at);
    for (const [id, { state, reason }] of status.samples) {
      if (state !== "up") line.troubled.push({ service: parsed.service, id, state, reason: reason ?? null });
    }
  }
  return [...lines].map(([id, { at, ...line }]) => ({
    id,
    ...line,
    lagMs: at === 0 ? null : Math.max(0, Date.now() - at),
  }));
}

async function askIpconfig(
  givenUrl: string,
): Promise<Status["ipconfigs"][number] & { routers: readonly RouterReport[] }> {
  const url = withoutUser(givenUrl);
  try {
    const { epoch, revision, routers } = await fetchRouters(ipconfigAt(givenUrl));
    return { url, reachable: true, epoch, revision, routers };
  } catch (error) {
    return { url, reachable: false, error: (error as Error).message, routers: [] };
  }
}

async function askRouter(givenUrl: string): Promise<RouterLine> {
  const url = withoutUser(givenUrl);
  try {
    const { node, mode, revision, listAgeMs, ipconfig, ipconfigError, workerCount, workers } = await fetchStatus(
      routerAt(givenUrl),
    );
    const known = { node, url, reportedBy: null, reachable: true, mode, revision, listAgeMs };
    return { ...known, ipconfig, ipconfigError, workerCount, workers };
  } catch (error) {
    const nothing = {
      mode: null,
      revision: null,
      listAgeMs: null,
      ipconfig: null,
      ipconfigError: null,
      workerCount: 0,
      workers: [],
    };
    return { node: url, url, reportedBy: null, reachable: false, error: (error as Error).message, ...nothing };
  }
}

function reportedLine({ node, ipconfig, workerCount, workers }: RouterReport, by: string): RouterLine {
  const revision = workers.length === 0 ? null : Math.min(...workers.map((worker) => worker.revision));
  const known = { node, url: null, reportedBy: by, reachable: true, mode: null, revision, listAgeMs: null };
  return { ...known, ipconfig, ipconfigError: null, workerCount, workers };
}
