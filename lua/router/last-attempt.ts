/**
 * The value of an `$upstream_` variable for the last attempt. nginx lists all attempts, separated by commas and, after an
 * internal redirect, colons; while the next attempt is being prepared the list ends with a separator. Not for addresses.
 */
export function lastAttempt(variable: string): string | undefined {
  const list = ngx.var[variable];
  return list === undefined ? undefined : string.match(list, "([^%s,:]+)[%s,:]*$")[0];
}
