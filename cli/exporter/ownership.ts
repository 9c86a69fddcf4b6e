import { hashText } from "../../lua/core/hash.ts";

/**
 * Which exporter looks after a service: the one with the highest hash together with it (rendezvous hashing, Thaler and
 * Ravishankar, 1998), so that when one comes or goes, only its own services change hands.
 */
export function ownerOf(service: string, exporters: Iterable<string>): string | undefined {
  let owner: string | undefined;
  let highest = -1;
  for (const exporter of exporters) {
    const hash = hashText(`${exporter}/${service}`);
    if (hash > highest || (hash === highest && exporter < owner!)) {
      owner = exporter;
      highest = hash;
    }
  }
  return owner;
}
