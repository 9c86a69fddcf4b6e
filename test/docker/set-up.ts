import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { freePort } from "../../cli/stack/ports.ts";
import { provideEngine } from "./support/engine.ts";
import { buildImages } from "./support/images.ts";

declare module "vitest" {
  interface ProvidedContext {
    docker: DockerContext;
  }
}

/** What the tests need to know of the set-up. */
export interface DockerContext {
  /** Why there is no engine. */
  readonly skipped?: string;
  /** What docker's clients need in their environment. */
  readonly env: Readonly<Record<string, string>>;
  /** A line for each row of the fault matrix goes there. */
  readonly figuresFile: string;
  /** See turns.ts. */
  readonly turnPort: number;
}

const NOT_IN_CI = [undefined, "", "0", "false"];

/** Provides an engine and the images, and says at the end what the tests have measured. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), "routectl-figures-"));
  const figuresFile = join(directory, "figures");
  const turnPort = await freePort();
  const engine = await provideEngine();
  if (typeof engine === "string") {
    if (!NOT_IN_CI.includes(process.env.CI)) throw new Error(`the docker tests can't run: ${engine}`);
    process.stderr.write(`docker tests are skipped: ${engine}\n`);
    project.provide("docker", { skipped: engine, env: {}, figuresFile, turnPort });
    return () => rm(directory, { recursive: true });
  }
  const startedAt = performance.now();
  try {
    await buildImages(engine.env);
  } catch (error) {
    await engine.stop();
    throw error;
  }
  process.stderr.write(`docker: images built in ${Math.round((performance.now() - startedAt) / 1000)} s\n`);
  project.provide("docker", { env: engine.env, figuresFile, turnPort });
  return async () => {
    const figures = await readFile(figuresFile, "utf8").catch(() => "");
    process.stderr.write(`\n${figures}\n`);
    await rm(directory, { recursive: true });
    await engine.stop();
  };
}
