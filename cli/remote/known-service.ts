import { RoutectlError } from "../errors.ts";
import { requireName, unknownService } from "../store/lookup.ts";
import { fetchService, fetchServiceNames, type RouterService, routerAt } from "./router.ts";

/** A service as a router has it; where it has none of that name, the error suggests the nearest. */
export async function fetchKnownService(router: string, service: string): Promise<RouterService> {
  requireName("service", service);
  const remote = routerAt(router);
  try {
    return await fetchService(remote, service);
  } catch (error) {
    if (!(error instanceof RoutectlError) || error.code !== "not-found") throw error;
    throw unknownService(service, await fetchServiceNames(remote));
  }
}
