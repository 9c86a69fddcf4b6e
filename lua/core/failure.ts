/** Whether an HTTP status says that the instance, not the client, is at fault. */
export function isFailure(status: number): boolean {
  return status >= 500;
}

/**
 * Whether a gRPC status says that the instance is at fault: UNKNOWN (2, an exception in a handler), INTERNAL (13),
 * UNAVAILABLE (14) and DATA_LOSS (15).
 * @param status the text of the trailer `grpc-status`
 */
export function isGrpcFailure(status: string | undefined): boolean {
  return status === "2" || status === "13" || status === "14" || status === "15";
}
