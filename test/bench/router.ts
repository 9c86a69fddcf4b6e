import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderTable } from "../../cli/output/table.ts";
import { startScriptedIpconfig } from "../support/scripted-ipconfig.ts";
import { withCleanup } from "./cleanup.ts";
import { WRK_SCRIPT } from "./closed-loop.ts";
import type { Gate } from "./gate.ts";
import { startInstances } from "./instances.ts";
import type { Report } from "./report.ts";
import { type Contender, contenders, NATIVE, publishLists } from "./router-contenders.ts";
import { type IdleFigures, idleFigures } from "./router-idle.ts";
import { type Figures, type Latency, METHOD, measureInTurns } from "./router-rounds.ts";

const INSTANCES = 4;

/** What a request through a router costs, next to nginx's own balancing and haproxy's; and what an idle router costs. */
export async function benchRouter(report: Report): Promise<Gate[]> {
  return withCleanup(async (later) => {
    const directory = await mkdtemp(join(tmpdir(), "routectl-bench-"));
    later(() => rm(directory, { recursive: true, force: true }));
    const ipconfig = await startScriptedIpconfig();
    later(ipconfig.close);
    const ports = await startInstances(directory, INSTANCES, later);
    publishLists(ipconfig, ports);
    const direct = `http://127.0.0.1:${ports[0]}/`;
    const idle = judgeIdle(await idleFigures(directory, ipconfig, later), report);

    const started: Contender[] = [];
    for (const start of contenders({ directory, instances: ports, ipconfig })) {
      const contender = await start();
      later(contender.stop);
      started.push(contender);
    }
    const script = join(directory, "requests.lua");
    await writeFile(script, WRK_SCRIPT);
    const reference = started.find(({ name }) => name === NATIVE)!;
    return [...idle, ...judge(...(await measureInTurns(started, reference, direct, script)), report)];
  });
}

function judgeIdle({ total, leader, other, emptyTimers }: IdleFigures, report: Report): Gate[] {
  const ms = (value: number): string => value.toFixed(2);
  report.print(
    `a router of two workers with nothing new: ${ms(total)} ms of CPU a second; the worker that polls ${ms(leader)}, the other, ` +
      `with its 50 ms timer alone, ${ms(other)}\nso the timers are ${ms(2 * other)} of it and the polls ${ms(leader - other)}; ` +
      `timers that do nothing cost ${ms(emptyTimers)} in two workers\n`,
  );
  return [{ name: "polls of a router with nothing new, ms of CPU a second", value: leader - other, limit: 1 }];
}

function judge(measured: Map<Contender, Figures>, without: Latency, report: Report): Gate[] {
  const rows = [...measured].map(([{ name }, figures]) => [
    name,
    figures.cpuMicroseconds.toFixed(1),
    figures.ratio.toFixed(2),
    figures.requestsPerSecond.toFixed(0),
    figures.addedP50Ms.toFixed(2),
    figures.addedP99Ms.toFixed(2),
    figures.residentMegabytes.toFixed(0),
  ]);
  report.print(
    renderTable(["PROXY", "CPU µs/REQUEST", "× NATIVE", "REQUESTS/S", "ADDED P50 ms", "ADDED P99 ms", "RSS MB"], rows),
  );
  report.print(
    `An instance without a proxy: p50 ${without.p50Ms.toFixed(2)} ms, p99 ${without.p99Ms.toFixed(2)} ms. ${METHOD}`,
  );
  const ratioOf = (wanted: string): number => [...measured].find(([{ name }]) => name === wanted)![1].ratio;
  return [
    gate("weighted-random", ratioOf("routectl weighted-random"), 1.2),
    gate("adaptive", ratioOf("routectl adaptive"), 1.25),
  ];
}

function gate(algorithm: string, value: number, limit: number): Gate {
  return { name: `${algorithm}: CPU a request, as a multiple of nginx's own round robin`, value, limit };
}
