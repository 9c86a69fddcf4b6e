import { state } from "./dicts.ts";

/** One worker at a time asks ipconfig for all of them. When it dies another one takes over within this time. */
const LEASE_SECONDS = 1;

let leading = false;

export function isLeader(): boolean {
  return leading;
}

/** Keeps or takes the lead; to be called several times a lease. Returns whether the lead was taken just now. */
export function claimLead(): boolean {
  const pid = ngx.worker.pid();
  if (leading) {
    leading = state.get("leader") === pid;
    if (leading) state.set("leader", pid, LEASE_SECONDS);
    return false;
  }
  const [added] = state.add("leader", pid, LEASE_SECONDS);
  leading = added;
  return added;
}

/** Whether nobody else has taken the lead in the meantime; to be asked after waiting for something. */
export function leadsStill(): boolean {
  return leading && !ngx.worker.exiting() && state.get("leader") === ngx.worker.pid();
}

/** Gives the lead up, so that a worker that stays need not wait for the lease to end. */
export function yieldLead(): void {
  if (leading && state.get("leader") === ngx.worker.pid()) state.delete("leader");
  leading = false;
}

export function leaderPid(): number | undefined {
  return state.get("leader") as number | undefined;
}
