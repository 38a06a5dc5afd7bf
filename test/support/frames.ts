import { isIPv6 } from 'node:net';

/** Raw Ethernet frames, as a hostile container makes them. Addresses are text; every frame ends with `tag`, which receivers look for. */
export interface FrameEnds {
  readonly from: string;
  readonly to: string;
  readonly tag: string;
}

export const BROADCAST = 'ff:ff:ff:ff:ff:ff';

export function udpFrame(ends: FrameEnds & { readonly source: string; readonly destination: string }): Buffer {
  const payload = Buffer.from(ends.tag);
  const header = Buffer.alloc(8);
  for (const [at, value] of [9000, 9000, 8 + payload.length].entries()) header.writeUInt16BE(value, at * 2);
  const datagram = Buffer.concat([header, payload]);
  const six = isIPv6(ends.source);
  // Without a checksum, which IPv4 allows; sniffers do not mind in IPv6.
  const packet = six ? ipv6({ ...ends, next: 17, body: datagram }) : ipv4({ ...ends, protocol: 17, body: datagram });
  return ethernet({ ...ends, tag: '' }, six ? 0x86dd : 0x0800, packet);
}

/** `sender` and `owner`: who is said to be where. */
export function arpFrame(
  ends: FrameEnds & {
    readonly operation: 'request' | 'reply';
    readonly sender: string;
    readonly owner: string;
    readonly target: string;
  },
): Buffer {
  const body = Buffer.concat([
    Buffer.from([0, 1, 8, 0, 6, 4, 0, ends.operation === 'reply' ? 2 : 1]),
    mac(ends.owner),
    v4(ends.sender),
    mac(ends.to === BROADCAST ? '00:00:00:00:00:00' : ends.to),
    v4(ends.target),
  ]);
  return ethernet(ends, 0x0806, body);
}

/** A neighbour advertisement that overrides: `target` is at `owner`. */
export function advertisementFrame(
  ends: FrameEnds & { source: string; destination: string; target: string; owner: string },
): Buffer {
  const body = Buffer.concat([
    Buffer.from([136, 0, 0, 0, 0x20, 0, 0, 0]),
    v6(ends.target),
    Buffer.from([2, 1]),
    mac(ends.owner),
  ]);
  return icmpv6Frame(ends, body);
}

/** "I am a router", for half an hour. */
export function routerFrame(ends: FrameEnds & { source: string; destination: string }): Buffer {
  return icmpv6Frame(ends, Buffer.from([134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]));
}

/** "There is a better way to `destination`." */
export function redirectFrame(ends: FrameEnds & { source: string; destination: string; target: string }): Buffer {
  return icmpv6Frame(ends, Buffer.concat([Buffer.from([137, 0, 0, 0, 0, 0, 0, 0]), v6(ends.target), v6(ends.target)]));
}

/** The frame with VLAN tags for VLAN 0, which receivers take for none. */
export function tagged(frame: Buffer, tags: number): Buffer {
  const one = Buffer.from([0x81, 0x00, 0, 0]);
  return Buffer.concat([frame.subarray(0, 12), ...Array<Buffer>(tags).fill(one), frame.subarray(12)]);
}

function icmpv6Frame(ends: FrameEnds & { source: string; destination: string }, body: Buffer): Buffer {
  const pseudo = Buffer.concat([
    v6(ends.source),
    v6(ends.destination),
    Buffer.from([0, 0, 0, body.length, 0, 0, 0, 58]),
  ]);
  body.writeUInt16BE(checksum(Buffer.concat([pseudo, body])), 2);
  return ethernet(ends, 0x86dd, ipv6({ ...ends, next: 58, body }));
}

function ethernet(ends: FrameEnds, type: number, body: Buffer): Buffer {
  return Buffer.concat([
    mac(ends.to),
    mac(ends.from),
    Buffer.from([type >> 8, type & 255]),
    body,
    Buffer.from(ends.tag),
  ]);
}

function ipv4(packet: { source: string; destination: string; protocol: number; body: Buffer }): Buffer {
  const length = 20 + packet.body.length;
  const header = Buffer.from([0x45, 0, length >> 8, length & 255, 0, 0, 0x40, 0, 64, packet.protocol, 0, 0]);
  const whole = Buffer.concat([header, v4(packet.source), v4(packet.destination)]);
  whole.writeUInt16BE(checksum(whole), 10);
  return Buffer.concat([whole, packet.body]);
}

function ipv6(packet: { source: string; destination: string; next: number; body: Buffer }): Buffer {
  const { length } = packet.body;
  const header = Buffer.from([0x60, 0, 0, 0, length >> 8, length & 255, packet.next, 255]);
  return Buffer.concat([header, v6(packet.source), v6(packet.destination), packet.body]);
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

function mac(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

function v4(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

function v6(text: string): Buffer {
  const [left = '', right] = text.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [head, tail] = [groups(left), groups(right ?? '')];
  const middle = right === undefined ? [] : Array<string>(8 - head.length - tail.length).fill('0');
  return Buffer.from([...head, ...middle, ...tail].map((group) => group.padStart(4, '0')).join(''), 'hex');
}
