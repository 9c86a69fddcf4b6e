import { readFile } from "node:fs/promises";

/**
 * The CPU time that a process with one thread has used so far, in microseconds: utime + stime of /proc/PID/stat, which
 * counts in steps of 10 ms, as the scheduler itself keeps it.
 */
export async function cpuMicroseconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/schedstat`, "utf8");
  return Number(text.split(" ")[0]) / 1000;
}

/** What a process has in memory, what it shares with others included. */
export async function residentMegabytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)![1]) / 1024;
}
