import { isName } from "../../lua/core/names.ts";
import { EXIT, RoutectlError, usageError } from "../errors.ts";
import { type Catalog, type CatalogService, serviceNames } from "./catalog.ts";
import { NAME_RULE } from "./schemas.ts";
import { suggestion } from "./suggestion.ts";

/** @throws a usage error when the text can't be a name at all */
export function requireName(what: string, text: string): string {
  if (!isName(text)) throw usageError(`${what} ${JSON.stringify(text)} is not a name: ${NAME_RULE}`);
  return text;
}

/** @throws `unknown-service`, with the nearest name */
export function requireService(catalog: Catalog, name: string): CatalogService {
  requireName("service", name);
  const service = catalog.services.get(name);
  if (service === undefined || (service.policy === undefined && service.instances.size === 0)) {
    throw unknownService(name, serviceNames(catalog));
  }
  return service;
}

/** @throws `unknown-instance`, with the nearest id */
export function requireInstance(service: string, found: CatalogService, id: string): void {
  requireName("instance", id);
  if (found.instances.has(id)) return;
  const hint = suggestion(id, [...found.instances.keys()]) || `see routectl service get ${service}`;
  throw new RoutectlError("unknown-instance", EXIT.error, `${service} has no instance ${id}: ${hint}`);
}

export function unknownService(name: string, names: readonly string[]): RoutectlError {
  const hint = suggestion(name, names) || "see routectl service list";
  return new RoutectlError("unknown-service", EXIT.error, `there is no service ${name}: ${hint}`);
}
