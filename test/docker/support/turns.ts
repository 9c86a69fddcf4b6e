import { once } from "node:events";
import { createServer } from "node:net";
import { inject } from "vitest";
import { waitFor } from "../../support/wait.ts";

const LONGEST_MS = 150_000;

/**
 * Does something while no other test file does: sixteen containers that start take all that a machine of two cores has, and
 * what is measured beside them would be that. Whose turn it is has a port; the system gives it back should a process die.
 */
export async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const { turnPort: port } = inject("docker");
  const server = createServer();
  const isOurs = async (): Promise<boolean> => {
    server.listen({ port, host: "127.0.0.1", exclusive: true });
    return once(server, "listening").then(
      () => true,
      () => false,
    );
  };
  await waitFor("the turn of this file", isOurs, LONGEST_MS);
  try {
    return await work();
  } finally {
    server.close();
  }
}
