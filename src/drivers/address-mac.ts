import { createHash, randomBytes } from 'node:crypto';
import { type Id, type Ip, ipBytes, type Mac, macFromBytes } from '../base/index.ts';
import type { AttachSpec } from '../model/index.ts';

/**
 * `02:42:` and the four bytes of the address: locally administered, unique on the link as long as the address is, and the
 * same whenever the address is given again, so that neighbours' caches stay right. Without an address: random.
 */
export function macOfAddress(ip: Ip | undefined): Mac {
  return locallyAdministered(ip === undefined ? randomBytes(4) : ipBytes(ip).subarray(-4));
}

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

function locallyAdministered(low: Uint8Array): Mac {
  return macFromBytes(Uint8Array.of(0x02, 0x42, ...low));
}
