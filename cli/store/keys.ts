import { isName } from "../../lua/core/names.ts";

/** Everything in etcd lives under this prefix. */
export const DEFAULT_PREFIX = "/routectl/v1";

/** What a key holds. */
export type ParsedKey =
  | { kind: "policy"; service: string }
  | { kind: "instance"; service: string; id: string }
  | { kind: "override"; service: string; id: string }
  | { kind: "history"; service: string; id: string }
  | { kind: "status"; service: string; id: string }
  | { kind: "exporter"; id: string }
  | { kind: "resolved"; host: string }
  | { kind: "epoch" };

/** Builds and reads the keys of one deployment. */
export interface Keys {
  readonly prefix: string;
  policy(service: string): string;
  instance(service: string, id: string): string;
  instances(service: string): string;
  service(service: string): string;
  override(service: string, id: string): string;
  overrides(service: string): string;
  history(service: string, id: string): string;
  histories(service: string): string;
  allHistories(): string;
  /** What one exporter says of one service's instances. */
  status(service: string, exporter: string): string;
  statuses(): string;
  /** An exporter that is live. */
  exporter(id: string): string;
  /** The address that a DNS name stands for, agreed on by all ipconfigs. */
  resolved(host: string): string;
  /** Identifies one life of the data. */
  epoch(): string;
  /** What a key holds; undefined for a key that is not one of ours. */
  parse(key: string): ParsedKey | undefined;
}

/** @param prefix without a slash at its end */
export function keysUnder(prefix: string): Keys {
  return {
    prefix,
    policy: (service) => `${prefix}/services/${service}/policy`,
    instance: (service, id) => `${prefix}/services/${service}/instances/${id}`,
    instances: (service) => `${prefix}/services/${service}/instances/`,
    service: (service) => `${prefix}/services/${service}/`,
    override: (service, id) => `${prefix}/overrides/${service}/${id}`,
    overrides: (service) => `${prefix}/overrides/${service}/`,
    history: (service, id) => `${prefix}/history/${service}/${id}`,
    histories: (service) => `${prefix}/history/${service}/`,
    allHistories: () => `${prefix}/history/`,
    status: (service, exporter) => `${prefix}/status/${service}/${exporter}`,
    statuses: () => `${prefix}/status/`,
    exporter: (id) => `${prefix}/exporters/${id}`,
    resolved: (host) => `${prefix}/resolved/${host}`,
    epoch: () => `${prefix}/epoch`,
    parse: (key) => (key.startsWith(`${prefix}/`) ? parseParts(key.slice(prefix.length + 1).split("/")) : undefined),
  };
}

function parseParts(parts: string[]): ParsedKey | undefined {
  const [root, first, second, third] = parts;
  if (parts.length === 1 && root === "epoch") return { kind: "epoch" };
  if (parts.length === 2 && root === "resolved") return { kind: "resolved", host: first! };
  if (!isName(first)) return undefined;
  if (parts.length === 2 && root === "exporters") return { kind: "exporter", id: first };
  if (root === "services" && parts.length === 3 && second === "policy") return { kind: "policy", service: first };
  if (root === "services" && parts.length === 4 && second === "instances" && isName(third)) {
    return { kind: "instance", service: first, id: third };
  }
  if (parts.length === 3 && isName(second)) {
    if (root === "overrides") return { kind: "override", service: first, id: second };
    if (root === "history") return { kind: "history", service: first, id: second };
    if (root === "status") return { kind: "status", service: first, id: second };
  }
  return undefined;
}
