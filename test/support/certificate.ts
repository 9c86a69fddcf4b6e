import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A certificate for localhost that signs itself, made for a test. */
export interface TestCertificate {
  /** Paths, for nginx. */
  readonly certificateFile: string;
  readonly keyFile: string;
  /** The certificate in PEM, for a client to trust. */
  readonly pem: string;
  remove(): Promise<void>;
}

export async function makeCertificate(): Promise<TestCertificate> {
  const directory = await mkdtemp(join(tmpdir(), "routectl-certificate-"));
  const remove = () => rm(directory, { recursive: true });
  const [certificateFile, keyFile] = [join(directory, "certificate.pem"), join(directory, "key.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", keyFile];
  try {
    await run("openssl", ["req", "-x509", "-days", "2", ...key, ...subject, "-out", certificateFile]);
    return { certificateFile, keyFile, pem: await readFile(certificateFile, "utf8"), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
