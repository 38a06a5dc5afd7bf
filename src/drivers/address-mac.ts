import { createHash } from 'node:crypto';
import { type Id, locallyAdministered, type Mac, macOfAddress } from '../base/index.ts';
import type { AttachSpec } from '../model/index.ts';

export { macOfAddress };

/**
 * Of an endpoint that was given none: of its IPv4 address; without one (that of a DHCP server, for example, is not known yet)
 * the same for a container on a network over all of its restarts.
 */
export function macOfEndpoint({ mac, ipv4, ownerId, network }: AttachSpec): Mac {
  if (mac !== undefined) return mac;
  if (ipv4 !== undefined && network.ipam.driver !== 'dhcp') return macOfAddress(ipv4.ip);
  return locallyAdministered(createHash('sha256').update(`${ownerId} ${network.id}`).digest().subarray(0, 4));
}

/** Of a link that is a network's own: the same whenever it is made. */
export function macOfNetwork(id: Id): Mac {
  return locallyAdministered(createHash('sha256').update(id).digest().subarray(0, 4));
}
