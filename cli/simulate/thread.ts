import { parentPort, workerData } from "node:worker_threads";
import { type Job, runJob } from "./jobs.ts";
import type { Settings } from "./settings.ts";

/** A thread that runs the jobs that it is sent, one at a time. */
parentPort!.on("message", (job: Job) => parentPort!.postMessage(runJob(workerData as Settings, job)));
