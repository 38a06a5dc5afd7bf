import { familyOf, type Ip, ipBytes, ipFromBytes } from '../../base/index.ts';
import { AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX } from './constants.ts';

/** struct sockaddr_in or sockaddr_in6, by the family of the address. */
export function inetAddress(ip: Ip, port: number): Uint8Array {
  const four = familyOf(ip) === 4;
  const bytes = new Uint8Array(four ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, four ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  bytes.set(ipBytes(ip), four ? 4 : 8);
  return bytes;
}

/** The address and port in a sockaddr_in or sockaddr_in6; undefined for other families. */
export function readInetAddress(bytes: Uint8Array): { ip: Ip; port: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = view.getUint16(0, true);
  const port = view.getUint16(2);
  if (family === AF_INET) return { ip: ipFromBytes(bytes.subarray(4, 8)), port };
  if (family === AF_INET6) return { ip: ipFromBytes(bytes.subarray(8, 24)), port };
  return undefined;
}

/** struct sockaddr_nl; `groups` is the old 32-bit mask, the kernel picks the port. */
export function netlinkAddress(groups = 0): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_NETLINK, true);
  view.setUint32(8, groups, true);
  return bytes;
}

/** struct sockaddr_ll for sending frames of one EtherType out of one link. */
export function packetAddress(linkIndex: number, etherType: number, target: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, etherType);
  view.setInt32(4, linkIndex, true);
  bytes[11] = target.length;
  bytes.set(target, 12);
  return bytes;
}

/** struct sockaddr_un of a socket in the file system. */
export function unixAddress(path: string): Uint8Array {
  const bytes = new Uint8Array(110);
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(Buffer.from(path), 2);
  return bytes;
}
