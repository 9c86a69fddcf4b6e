import type { Command } from "commander";
import { EXIT } from "../errors.ts";
import { present, type ReadOptions } from "../output/present.ts";
import type { Cell } from "../output/table.ts";
import { formatDuration } from "../output/times.ts";
import type { Status } from "../remote/status.ts";
import { type Connection, commandStoreOptions, withRead } from "./options.ts";

export function registerStatus(program: Command): void {
  withRead(program.command("status").description("every part: whether it answers, at which revision, in which mode"))
    .addHelpText(
      "after",
      "\nExample:\n  $ routectl status -o json\n\nExits with 3 when a part does not answer, or an etcd member has no quorum; with 7 when etcd has lost its data.",
    )
    .action(async (options: ReadOptions, command: Command) => {
      const connection = command.optsWithGlobals<Connection>();
      const { readStatus } = await import("../remote/status.ts");
      const { printable, renderTable } = await import("../output/table.ts");
      await present(
        options,
        async () => {
          const status = await readStatus(commandStoreOptions(connection), connection.ipconfig, connection.router);
          const parts = [status.etcd, ...status.ipconfigs, ...status.routers];
          const allAnswer =
            parts.every((part) => part.reachable) && status.etcd.members.every(({ healthy }) => healthy);
          process.exitCode = !allAnswer ? EXIT.unreachable : status.findings.length > 0 ? EXIT.findings : EXIT.ok;
          return status;
        },
        (status) =>
          [renderTable(["PART", "AT", "STATE", "DETAIL"], rowsOf(status)), ...status.findings.map(printable)].join(
            "\n",
          ),
      );
    });
}

const MOST_TROUBLED = 20;

function rowsOf({ etcd, ipconfigs, exporters, routers, services }: Status): Cell[][] {
  const rows: Cell[][] = [
    ["etcd", etcd.url, stateCell(etcd.reachable, "ok"), etcd.error ?? `revision ${etcd.revision}`],
  ];
  for (const { name, url, healthy, leader, version, error } of etcd.members) {
    const state: Cell = healthy ? { text: "ok", tone: "good" } : { text: "unhealthy", tone: "bad" };
    const about = [leader ? "leader" : "", version === null ? "" : `version ${version}`].filter((text) => text !== "");
    rows.push([`  ${name === null ? "not a member" : `member ${name}`}`, url, state, error ?? about.join(", ")]);
  }
  for (const { url, reachable, error, revision, epoch } of ipconfigs) {
    rows.push(["ipconfig", url, stateCell(reachable, "ok"), error ?? `revision ${revision}, epoch ${epoch}`]);
  }
  for (const { id, services: count, instances, lagMs, troubled } of exporters) {
    const lag = lagMs === null ? "no samples yet" : `samples ${formatDuration(lagMs)} old`;
    const state = stateCell(true, troubled.length === 0 ? "ok" : `${troubled.length} not up`);
    rows.push([`exporter ${id}`, "-", state, `${instances} instances of ${count} services, ${lag}`]);
    for (const { service, id: instance, state: how, reason } of troubled.slice(0, MOST_TROUBLED)) {
      rows.push([`  ${service}/${instance}`, "-", { text: how, tone: "bad" }, reason ?? ""]);
    }
  }
  for (const router of routers) {
    const detail = [
      `revision ${router.revision}`,
      `${router.workers.length} of ${router.workerCount} workers report`,
      router.ipconfig === null ? "no ipconfig has answered yet" : `asks ${router.ipconfig}`,
      router.ipconfigError ?? "",
      router.listAgeMs === null ? "" : `heard of it ${formatDuration(router.listAgeMs)} ago`,
    ].filter((text) => text !== "");
    const at = router.url ?? `reported by ${router.reportedBy}`;
    const state = stateCell(router.reachable, router.mode ?? "reports");
    rows.push([`router ${router.node}`, at, state, router.error ?? detail.join(", ")]);
  }
  for (const { service, mode, algorithm, members, healthy } of services) {
    rows.push([
      `service ${service}`,
      "-",
      stateCell(true, mode),
      `${algorithm}, ${healthy} of ${members} instances take requests`,
    ]);
  }
  return rows;
}

function stateCell(reachable: boolean, state: string): Cell {
  if (!reachable) return { text: "unreachable", tone: "bad" };
  return { text: state, tone: state === "ok" || state === "normal" || state === "reports" ? "good" : "notable" };
}
