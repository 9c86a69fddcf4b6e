import { RoutectlError } from "../errors.ts";
import type { Expectation, Operation, Store } from "../store/etcd.ts";

/** etcd takes requests of up to 1.5 MB, and transactions of up to 128 operations. */
const MOST_BYTES = 1_000_000;
const MOST_OPERATIONS = 100;

/** What became of a request. */
interface RequestHandler {
  onWritten(operations: readonly Operation[]): void;
  /** etcd does not take it, as when one value alone is larger than what it allows. */
  onRefused(operations: readonly Operation[], error: RoutectlError): void;
}

/**
 * Carries operations out in as many requests as it takes; one that etcd refuses keeps none of the others back.
 * @returns false when an expectation does not hold: then nothing more is written
 * @throws when etcd does not answer: the others would only wait for it, too
 */
export async function commitInRequests(
  store: Store,
  expectations: readonly Expectation[],
  operations: readonly Operation[],
  handler: RequestHandler,
): Promise<boolean> {
  for (const request of inRequests(operations)) {
    try {
      const { succeeded } = await store.commit(expectations, request);
      if (!succeeded) return false;
      handler.onWritten(request);
    } catch (error) {
      if (!(error instanceof RoutectlError) || error.code !== "etcd-refused") throw error;
      handler.onRefused(request, error);
    }
  }
  return true;
}

/** How many bytes of a request an operation takes. */
export function sizeOf(operation: Operation): number {
  return "put" in operation ? Buffer.byteLength(operation.value) : 0;
}

function inRequests(operations: readonly Operation[]): Operation[][] {
  const requests: Operation[][] = [];
  let bytes = 0;
  for (const operation of operations) {
    const size = sizeOf(operation);
    const last = requests.at(-1);
    if (last === undefined || last.length >= MOST_OPERATIONS || bytes + size > MOST_BYTES) {
      requests.push([operation]);
      bytes = size;
    } else {
      last.push(operation);
      bytes += size;
    }
  }
  return requests;
}
