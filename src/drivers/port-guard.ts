import { familyOf, type Ip, ipFromBytes, type Mac, macBytes } from '../base/index.ts';
import type { AttachSpec, GuardEntry } from '../model/index.ts';
import { addressesOf } from './sandbox-link.ts';

/** Off for a network whose containers route for others or speak other protocols than IP. */
export const ANTI_SPOOFING_OPTION = 'com.fairway.anti_spoofing';

/**
 * What the endpoint may send by `port`: its own addresses, and the link-local one the kernel makes from `mac`. Addresses
 * that are not ours to give (of a DHCP server, of nobody) are not known, so any will do.
 */
export function guardOf(spec: AttachSpec, { port, mac }: { readonly port: string; readonly mac: Mac }): GuardEntry {
  const { driver } = spec.network.ipam;
  const known = driver !== 'dhcp' && driver !== 'null';
  const addresses = addressesOf(spec).map(({ ip }) => ip);
  const six = addresses.some((ip) => familyOf(ip) === 6);
  return {
    kind: 'guard',
    networkId: spec.network.id,
    endpointId: spec.endpointId,
    port,
    mac,
    addresses: known ? (six ? [...addresses, linkLocalOf(mac)] : addresses) : 'any',
  };
}

/** RFC 4291, appendix A: the modified EUI-64 identifier after fe80::/64. */
function linkLocalOf(mac: Mac): Ip {
  const [first = 0, ...rest] = macBytes(mac);
  const [b = 0, c = 0, d = 0, e = 0, f = 0] = rest;
  return ipFromBytes(Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, first ^ 2, b, c, 0xff, 0xfe, d, e, f));
}
