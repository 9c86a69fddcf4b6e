/** A time as people read it: `2026-11-20 05:03:24`, local. */
export function formatTime(milliseconds: number): string {
  return formatMoment(milliseconds).slice(0, "2026-11-20 05:03:24".length);
}

/** The same with milliseconds: `2026-11-20 05:03:24.071`. */
export function formatMoment(milliseconds: number): string {
  const time = new Date(milliseconds - new Date(milliseconds).getTimezoneOffset() * 60_000);
  return time.toISOString().slice(0, -1).replace("T", " ");
}

/** A length of time with the two largest units at most: `850 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatDuration(milliseconds: number): string {
  if (Math.round(milliseconds) < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = Math.round(milliseconds / 100) / 10;
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
