import { request } from "undici";
import { EXIT, RoutectlError, unreachable } from "../errors.ts";
import { withoutUser } from "../store/without-user.ts";

/** What asks for JSON over HTTP, and what to say when nobody answers. */
export interface Remote {
  /** `ipconfig` or `router`, as errors call it. */
  readonly part: string;
  /** URLs, separated by commas; the first one that answers is used. */
  readonly urls: string;
  /** What to do when none answers: `start it with ...`. */
  readonly hint: string;
}

const TIMEOUT_MS = 1500;

/**
 * Asks the first of the remote's URLs that answers.
 * @throws `not-found` (exit 1) with the message of a 404, `PART-unreachable` (exit 3) when nobody answers
 */
export async function getJson<T>(remote: Remote, path: string): Promise<{ value: T; url: string }> {
  let reason = "no URL is given";
  let cause: unknown;
  for (const url of splitUrls(remote)) {
    try {
      const { statusCode, body } = await request(`${url}${path}`, {
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: TIMEOUT_MS,
        signal: AbortSignal.timeout(TIMEOUT_MS * 2),
      });
      const text = await body.text();
      if (statusCode === 200) return { value: JSON.parse(text) as T, url };
      const message = messageOf(text) ?? `status ${statusCode}`;
      if (statusCode === 404) throw new RoutectlError("not-found", EXIT.error, message);
      reason = `${url}: ${message}`;
    } catch (error) {
      if (error instanceof RoutectlError) throw error;
      reason = `${url}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`;
      cause = error;
    }
  }
  const message = `no ${remote.part} answers (${withoutUser(reason)}): ${remote.hint}`;
  throw unreachable(`${remote.part}-unreachable`, message, cause);
}

export function splitUrls(remote: Remote): string[] {
  return remote.urls.split(",").map((url) => url.trim().replace(/\/$/, ""));
}

function messageOf(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}
