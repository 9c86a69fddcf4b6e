import { join } from "node:path";
import { findNginx } from "../../cli/stack/binaries.ts";
import { freePort } from "../../cli/stack/ports.ts";
import type { Later } from "./cleanup.ts";
import { instancesConfiguration } from "./router-configurations.ts";
import { startBenchProcess } from "./router-process.ts";

/** Starts instances that answer at once, all of them in one nginx. @returns their ports */
export async function startInstances(directory: string, count: number, later: Later): Promise<number[]> {
  const ports = await Promise.all(Array.from({ length: count }, () => freePort()));
  const own = join(directory, "instances");
  const instances = await startBenchProcess({
    name: "instances",
    command: findNginx().path,
    configuration: instancesConfiguration(ports),
    args: (file) => ["-p", own, "-c", file, "-g", "daemon off;"],
    directory: own,
    url: `http://127.0.0.1:${ports[0]}/`,
  });
  later(instances.stop);
  return ports;
}
