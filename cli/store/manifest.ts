import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument, stringify } from "yaml";
import { z } from "zod";
import { isName } from "../../lua/core/names.ts";
import type { Policy } from "../../lua/core/types.ts";
import { usageError } from "../errors.ts";
import { readCatalog, serviceNames } from "./catalog.ts";
import type { Store } from "./etcd.ts";
import { formatPath } from "./policy-issue.ts";
import { describeIssue, type Instance, NAME_RULE, policySchema, writtenInstanceSchema } from "./schemas.ts";

/** Services, their instances and policies, as `apply` reads and `dump` writes them. */
export interface Manifest {
  readonly services: ReadonlyMap<string, ManifestService>;
}

export interface ManifestService {
  readonly policy: Policy | undefined;
  readonly instances: readonly Instance[];
}

const serviceSchema = z.strictObject(
  {
    policy: policySchema.optional(),
    instances: z.array(writtenInstanceSchema, "must be a list").default([]),
  },
  "must be a map with the keys policy and instances",
);

const manifestSchema = z.strictObject(
  {
    services: z.record(z.string().refine(isName), serviceSchema, {
      error: ({ code }) =>
        code === "invalid_key" ? `must be a name: ${NAME_RULE}` : "must be a map from names to services",
    }),
  },
  "must be a map with the key services",
);

/**
 * Reads a manifest from YAML (or JSON, which is YAML).
 * @param source what the text is called in errors: a file's name
 * @throws a usage error with the line of what is wrong
 */
export function parseManifest(text: string, source: string): Manifest {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const [syntax] = document.errors;
  if (syntax !== undefined) {
    const line = syntax.linePos?.[0].line ?? 1;
    const [message] = syntax.message.split("\n");
    const isSecond = syntax.code === "MULTIPLE_DOCS";
    const says = isSecond
      ? "one document only: put all services under one key services"
      : message!.replace(/ at line.*$/, "");
    throw usageError(`${source}:${line}: ${says}`);
  }
  refuseUnsafeKeys(document, lines, source);
  const parsed = manifestSchema.safeParse(toPlainData(document, source) ?? {});
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const path = issue.code === "unrecognized_keys" ? [...issue.path, issue.keys[0]!] : issue.path;
    const where = issue.code === "unrecognized_keys" && issue.path.length > 0 ? ` in ${formatPath(issue.path)}` : "";
    throw usageError(`${source}:${lineOf(document, lines, path)}: ${describeIssue(parsed.error)}${where}`);
  }
  const services = new Map<string, ManifestService>();
  for (const [name, { policy, instances }] of Object.entries(parsed.data.services)) {
    const seen = new Set<string>();
    instances.forEach(({ id }, index) => {
      if (seen.has(id)) {
        const line = lineOf(document, lines, ["services", name, "instances", index]);
        throw usageError(`${source}:${line}: services.${name}: instance ${id} is there twice`);
      }
      seen.add(id);
    });
    services.set(name, {
      policy,
      instances: instances.map(({ name: display, ...rest }) => ({ ...rest, name: display ?? rest.id })),
    });
  }
  return { services };
}

function toPlainData(document: Document, source: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw usageError(`${source}: ${(error as Error).message}`);
  }
}

/** A key such as `__proto__` would vanish on the way into an object, and with it the error about it. */
function refuseUnsafeKeys(document: Document, lines: LineCounter, source: string): void {
  const visit = (node: unknown): void => {
    if (isMap(node)) {
      for (const { key, value } of node.items) {
        if (isScalar(key) && key.value === "__proto__") {
          throw usageError(`${source}:${lines.linePos(key.range?.[0] ?? 0).line}: unknown key "__proto__"`);
        }
        visit(value);
      }
    } else if (typeof node === "object" && node !== null && "items" in node) {
      for (const item of (node as { items: unknown[] }).items) visit(item);
    }
  };
  visit(document.contents);
}

/** The line of a path, or of the nearest thing above it that is there. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const parent = document.getIn(path.slice(0, depth - 1), true);
    const last = path[depth - 1];
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(last));
      if (isScalar(pair?.key)) return lines.linePos(pair.key.range?.[0] ?? 0).line;
    }
    const node = document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range != null) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

/** All services as a manifest that `apply` takes. */
export async function dumpManifest(store: Store): Promise<string> {
  const catalog = await readCatalog(store);
  const services: Record<string, unknown> = {};
  for (const name of serviceNames(catalog)) {
    const { policy, instances } = catalog.services.get(name)!;
    services[name] = {
      ...(policy === undefined ? {} : { policy }),
      instances: [...instances.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    };
  }
  return stringify({ services });
}
