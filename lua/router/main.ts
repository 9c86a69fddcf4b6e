/** What nginx's configuration calls: one function a phase. */
export { access } from "./access.ts";
export { admin } from "./admin.ts";
export { balance } from "./balance.ts";
export { header } from "./header.ts";
export { init } from "./init.ts";
export { log } from "./log.ts";
export { startWorker } from "./worker.ts";
