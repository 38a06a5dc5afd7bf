import { ipBytes, parseIp } from '../../base/index.ts';

export const SERVER_PORT = 67;
export const CLIENT_PORT = 68;
const UDP = 17;
const IP_HEADER = 20;
const UDP_HEADER = 8;
const NOBODY = ipBytes(parseIp('0.0.0.0'));
const EVERYBODY = ipBytes(parseIp('255.255.255.255'));

/** The IPv4 packet in which a client without an address asks everybody. */
export function packetOf(message: Uint8Array): Uint8Array {
  const length = UDP_HEADER + message.length;
  const packet = new Uint8Array(IP_HEADER + length);
  const view = new DataView(packet.buffer);
  packet.set([0x45, 0x10]);
  view.setUint16(2, packet.length);
  packet.set([64, UDP], 8);
  packet.set(NOBODY, 12);
  packet.set(EVERYBODY, 16);
  view.setUint16(10, checksum(packet.subarray(0, IP_HEADER)));
  view.setUint16(IP_HEADER, CLIENT_PORT);
  view.setUint16(IP_HEADER + 2, SERVER_PORT);
  view.setUint16(IP_HEADER + 4, length);
  packet.set(message, IP_HEADER + UDP_HEADER);
  const pseudo = [...NOBODY, ...EVERYBODY, 0, UDP, length >> 8, length & 0xff];
  // Zero would mean that there is no sum.
  view.setUint16(IP_HEADER + 6, checksum(Uint8Array.from([...pseudo, ...packet.subarray(IP_HEADER)])) || 0xffff);
  return packet;
}

/** What a server says to a client; undefined for any other packet. Its UDP sum may be left to hardware, so it is not read. */
export function messageIn(packet: Uint8Array): Uint8Array | undefined {
  const header = ((packet[0] ?? 0) & 0x0f) * 4;
  if ((packet[0] ?? 0) >> 4 !== 4 || header < IP_HEADER || packet[9] !== UDP) return undefined;
  if (packet.length < header + UDP_HEADER) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  // More fragments, or not the first.
  if ((view.getUint16(6) & 0x3fff) !== 0) return undefined;
  if (view.getUint16(header) !== SERVER_PORT || view.getUint16(header + 2) !== CLIENT_PORT) return undefined;
  const end = header + view.getUint16(header + 4);
  return end > packet.length ? undefined : packet.subarray(header + UDP_HEADER, end);
}

function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
