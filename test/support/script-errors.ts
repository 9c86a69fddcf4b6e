const SCRIPT_ERROR = /\[(?:error|alert|crit|emerg)\].*(?:runtime error|thread aborted|failed to run|failed to load)/;

/** Fails when a script of the router has failed, whatever came of it. @param log nginx's error log */
export function expectNoScriptErrors(log: string): void {
  const failures = log.split("\n").filter((line) => SCRIPT_ERROR.test(line));
  if (failures.length > 0) {
    throw new Error(`${failures.length} times a script of the router has failed, as in:\n${failures[0]}`);
  }
}
