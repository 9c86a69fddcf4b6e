import { defineConfig } from "vitest/config";

/** A project a kind of test, from the fastest to the slowest. */
export default defineConfig({
  test: {
    // Most of a test's time is waiting: for a lease to end, a mode to change, a worker to report.
    maxWorkers: 3,
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 30_000 } },
      { test: { name: "parity", include: ["test/parity/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 } },
      { test: { name: "etcd", include: ["test/etcd/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 } },
      {
        test: {
          name: "nginx",
          include: ["test/nginx/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
