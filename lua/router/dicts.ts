/**
 * The shared memory of the workers. Routes have a dict of their own, so that nothing else can crowd a list out.
 *
 * routes:   `head` (`EPOCH REVISION`) · `names` (a number) and `names:NUMBER` (services, one a line) · `version:SERVICE` (a number that grows with
 *           every change) · `list:SERVICE:VERSION` (the list as JSON, after its checksum)
 * state:    `leader` · `freshAtMs` · `ipconfig` (URL in use) · `ipconfigError` · `ack:WORKER` · `left` (epochs that were left) · `retainUntilMs`
 * counters: what the metrics are made of
 * health:   `version SERVICE` (a number that changes with every ejection and release) · `until SERVICE PEER` · `times SERVICE PEER` ·
 *           `released SERVICE PEER` · `probe SERVICE PEER`
 * limits:   a number for each bucket that is not full
 * answers:  decisions, on their way from the workers to the admin API
 */
function dict(name: string): SharedDict {
  const found = ngx.shared[name];
  if (found === undefined) throw `routectl: lua_shared_dict ${name} is missing: include routectl/http.conf`;
  return found;
}

export const routes = dict("routectl_routes");
export const state = dict("routectl_state");
export const counters = dict("routectl_counters");
export const health = dict("routectl_health");
export const limits = dict("routectl_limits");
export const answers = dict("routectl_answers");
