/** What a program's exit status says; see `routectl --help`. */
export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  unreachable: 3,
  notAuthorised: 4,
  conflict: 5,
  differences: 6,
  findings: 7,
  notConverged: 8,
  interrupted: 130,
} as const;

/** An error that a user can do something about: its message says what is wrong and what to do, in one line. */
export class RoutectlError extends Error {
  /** Stable, for programs: `unknown-service`, `etcd-unreachable`, ... */
  readonly code: string;
  readonly exitCode: number;

  constructor(code: string, exitCode: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "RoutectlError";
    this.code = code;
    this.exitCode = exitCode;
  }
}

/** Something that was typed can't be right. */
export function usageError(message: string): RoutectlError {
  return new RoutectlError("usage", EXIT.usage, message);
}

/** Whether an error says that a part does not answer. */
export function isUnreachable(error: unknown): error is RoutectlError {
  return error instanceof RoutectlError && error.exitCode === EXIT.unreachable;
}

/** A part does not answer. */
export function unreachable(code: string, message: string, cause?: unknown): RoutectlError {
  return new RoutectlError(code, EXIT.unreachable, message, cause);
}
