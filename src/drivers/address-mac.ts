import { randomBytes } from 'node:crypto';
import { type Ip, ipBytes, type Mac, macFromBytes } from '../base/index.ts';

/**
 * `02:42:` and the four bytes of the address: locally administered, unique on the link as long as the address is, and the
 * same whenever the address is given again, so that neighbours' caches stay right. Without an address: random.
 */
export function macOfAddress(ip: Ip | undefined): Mac {
  const low = ip === undefined ? randomBytes(4) : ipBytes(ip).subarray(-4);
  return macFromBytes(Uint8Array.of(0x02, 0x42, ...low));
}
