import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startPart } from "../../cli/stack/part.ts";
import { waitFor } from "../support/wait.ts";

export interface BenchProcess {
  readonly pid: number;
  stop(): Promise<void>;
}

export interface BenchProcessOptions {
  readonly name: string;
  readonly command: string;
  /** Its configuration, put into a file of the directory, and what the command takes besides that file's path. */
  readonly configuration: string;
  readonly args: (file: string) => readonly string[];
  readonly directory: string;
  /** Answers 200 once the process serves. */
  readonly url: string;
}

/** Starts a server with a configuration of the bench's own, and waits until it serves. */
export async function startBenchProcess(options: BenchProcessOptions): Promise<BenchProcess> {
  const { name, command, configuration, directory, url } = options;
  await mkdir(join(directory, "temp"), { recursive: true });
  const file = join(directory, "configuration");
  await writeFile(file, configuration);
  const part = startPart({
    name,
    command,
    args: options.args(file),
    logFile: join(directory, "log"),
    trouble: () => undefined,
    show: () => undefined,
  });
  let ending: string | undefined;
  void part.ended.then((how) => {
    ending = how;
  });
  try {
    await untilServing(name, url, () => {
      if (ending !== undefined) throw new Error(`${name} ${ending}: ${part.lastLine()}`);
    });
  } catch (error) {
    await part.stop();
    throw error;
  }
  return { pid: part.pid, stop: part.stop };
}

/** Waits until a URL is answered with 200. */
export async function untilServing(name: string, url: string, check: () => void = () => undefined): Promise<void> {
  await waitFor(`${name} to serve`, async () => {
    check();
    return fetch(url).then(
      async (response) => {
        await response.arrayBuffer();
        return response.ok;
      },
      () => false,
    );
  });
}
