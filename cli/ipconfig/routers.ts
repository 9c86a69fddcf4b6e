import { z } from "zod";
import { nameSchema } from "../store/schemas.ts";

/** What a router says of itself, with every change and every two seconds. */
export const acknowledgementSchema = z.strictObject({
  workerCount: z.number().int().min(1).max(4096),
  ipconfig: z.string().max(512),
  /** Epochs that it has left for a newer one, and refuses. */
  leftEpochs: z.array(nameSchema).max(16).default([]),
  workers: z
    .array(
      z.strictObject({
        worker: z.number().int().nonnegative(),
        pid: z.number().int().nonnegative(),
        epoch: nameSchema,
        revision: z.number().int().nonnegative(),
      }),
    )
    .max(4096),
});

export type Acknowledgement = z.infer<typeof acknowledgementSchema>;

/** A router as `GET /v1/routers` shows it. */
export interface RouterReport extends Acknowledgement {
  readonly node: string;
  /** Since its last sign of life. */
  readonly ageMs: number;
}

/** A router that was not heard of for this long is not live any more. */
export const ROUTER_EXPIRY_MS = 7000;
export const MAX_ROUTERS = 10_000;

/** The routers that are live, by what they reported last. */
export function createRouterRegister(now: () => number): {
  acknowledge(node: string, report: Acknowledgement): boolean;
  live(): RouterReport[];
} {
  const routers = new Map<string, { report: Acknowledgement; seenAt: number }>();
  const forgetGone = (): void => {
    for (const [node, { seenAt }] of routers) if (now() - seenAt > ROUTER_EXPIRY_MS) routers.delete(node);
  };
  return {
    acknowledge: (node, report) => {
      if (!routers.has(node) && routers.size >= MAX_ROUTERS) {
        forgetGone();
        if (routers.size >= MAX_ROUTERS) return false;
      }
      routers.set(node, { report, seenAt: now() });
      return true;
    },
    live: () => {
      forgetGone();
      return [...routers]
        .map(([node, { report, seenAt }]) => ({ node, ageMs: Math.round(now() - seenAt), ...report }))
        .sort((a, b) => (a.node < b.node ? -1 : 1));
    },
  };
}
