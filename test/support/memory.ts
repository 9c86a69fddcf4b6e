import { readFile } from "node:fs/promises";

/** The most memory that a process has had at any time, in bytes. */
export async function residentBytesOf(pid: number): Promise<number> {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}
