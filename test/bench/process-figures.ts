import { readdir, readFile } from "node:fs/promises";

/** The CPU time that a process has used so far, that of its living threads, in microseconds, as the scheduler keeps it. */
export async function cpuMicroseconds(pid: number): Promise<number> {
  const threads = (await readdir(`/proc/${pid}/task`)).map(async (thread) => {
    const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8").catch(() => "0");
    return Number(text.split(" ")[0]) / 1000;
  });
  return (await Promise.all(threads)).reduce((sum, microseconds) => sum + microseconds, 0);
}

/** What a process has in memory, what it shares with others included. */
export async function residentMegabytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)![1]) / 1024;
}

/** What a process has for itself alone: of an nginx worker, neither the shared dicts nor the program's pages. */
export async function privateMegabytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  const kilobytes = [...text.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB$/gm)].map(([, value]) => Number(value));
  return kilobytes.reduce((sum, value) => sum + value, 0) / 1024;
}
