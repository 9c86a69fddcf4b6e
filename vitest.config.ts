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
          // After what computes, since these are about time.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "docker",
          include: ["test/docker/**/*.test.ts"],
          globalSetup: ["test/docker/set-up.ts"],
          testTimeout: 240_000,
          hookTimeout: 180_000,
          // After all others; two systems of 16 containers at once.
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
