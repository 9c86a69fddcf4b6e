import { cpus, loadavg, release, totalmem } from "node:os";

/** The kind of machine, and how busy it is now. */
export function describeMachine(): string {
  const processors = cpus();
  return (
    `${processors.length} cores (${processors[0]?.model}), ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, ` +
    `Node ${process.versions.node}; load average ${loadavg()[0]!.toFixed(1)} at the start`
  );
}
