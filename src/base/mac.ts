import { randomBytes } from 'node:crypto';
import { invalid } from './errors.ts';
import { type Ip, ipBytes } from './ip.ts';

/** An Ethernet address as six lower-case hex pairs joined by colons. */
export type Mac = string & { readonly __mac: unique symbol };

/** Parses `aa:bb:cc:dd:ee:ff` or with dashes. Throws `invalid_mac`. */
export function parseMac(text: string): Mac {
  const plain = text.toLowerCase().replaceAll('-', ':');
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(plain)) {
    throw invalid('invalid_mac', `invalid MAC address: ${JSON.stringify(text)}`);
  }
  return plain as Mac;
}

export function macBytes(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(':'), (hex) => Number.parseInt(hex, 16));
}

export function macFromBytes(bytes: Uint8Array): Mac {
  return Array.from(bytes.subarray(0, 6), (byte) => byte.toString(16).padStart(2, '0')).join(':') as Mac;
}

/**
 * `02:42:` and the four bytes of the address (the last of IPv6): locally administered, unique on the link as long as the IPv4
 * address is, and the same whenever the address is given again, so that neighbours' caches stay right. Without an address:
 * random.
 */
export function macOfAddress(ip: Ip | undefined): Mac {
  return locallyAdministered(ip === undefined ? randomBytes(4) : ipBytes(ip).subarray(-4));
}

/** Of four bytes. */
export function locallyAdministered(low: Uint8Array): Mac {
  return macFromBytes(Uint8Array.of(0x02, 0x42, ...low));
}
