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
 * @throws `not-found` (exit 1) when the part knows no such service, `wrong-part` (exit 1) when something else answers, and
 * `PART-unreachable` (exit 3) when nobody does
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
      const { error, message = `status ${statusCode}` } = failureOf(text);
      if (error === "unknown-service") throw new RoutectlError("not-found", EXIT.error, message);
      if (statusCode === 404) throw wrongPart(remote, url, "it answers 404");
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

/** What answers at a URL is not what was to be asked. */
export function wrongPart(remote: Remote, url: string, why: string): RoutectlError {
  return new RoutectlError(
    "wrong-part",
    EXIT.error,
    `${withoutUser(url)} is no ${remote.part} (${why}): ${remote.hint}`,
  );
}

/** What our parts say of an error; nothing where it is not one of ours. */
function failureOf(text: string): { readonly error?: string; readonly message?: string } {
  try {
    const { error, message } = JSON.parse(text) as { error?: unknown; message?: unknown };
    return typeof error === "string" && typeof message === "string" ? { error, message } : {};
  } catch {
    return {};
  }
}
