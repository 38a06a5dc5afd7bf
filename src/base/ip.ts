import { isIPv4, isIPv6 } from 'node:net';
import { invalid } from './errors.ts';

/** An IPv4 or IPv6 address in canonical text (RFC 5952 for IPv6), so equal addresses are equal strings. */
export type Ip = string & { readonly __ip: unique symbol };
export type IpFamily = 4 | 6;

/** An address with a prefix length. Host bits may be set; {@link networkOf} clears them. */
export interface Cidr {
  readonly ip: Ip;
  readonly prefix: number;
}

export function familyOf(ip: Ip): IpFamily {
  return ip.includes(':') ? 6 : 4;
}

/** 32 or 128. */
export function bitsOf(family: IpFamily): number {
  return family === 4 ? 32 : 128;
}

/** Parses an address; an IPv4-mapped IPv6 address stays IPv6. Throws `invalid_ip`. */
export function parseIp(text: string): Ip {
  const ip = tryParseIp(text);
  if (ip === undefined) throw invalid('invalid_ip', `invalid IP address: ${JSON.stringify(text)}`);
  return ip;
}

export function tryParseIp(text: string): Ip | undefined {
  if (isIPv4(text)) return text as Ip;
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return ipFromBytes(bytesOfV6(text));
}

/** Parses `address/prefix`. Throws `invalid_cidr`. */
export function parseCidr(text: string): Cidr {
  const cidr = tryParseCidr(text);
  if (cidr === undefined) throw invalid('invalid_cidr', `invalid CIDR address: ${text}`);
  return cidr;
}

export function tryParseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const ip = tryParseIp(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (ip === undefined || !/^\d{1,3}$/.test(digits)) return undefined;
  const prefix = Number(digits);
  return prefix <= bitsOf(familyOf(ip)) ? { ip, prefix } : undefined;
}

export function cidrText(cidr: Cidr): string {
  return `${cidr.ip}/${cidr.prefix}`;
}

/** 4 or 16 bytes in network order. */
export function ipBytes(ip: Ip): Uint8Array {
  if (familyOf(ip) === 6) return bytesOfV6(ip);
  return Uint8Array.from(ip.split('.'), Number);
}

export function ipFromBytes(bytes: Uint8Array): Ip {
  if (bytes.length === 4) return bytes.join('.') as Ip;
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
  const run = longestZeroRun(groups);
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (run.length < 2) return hex(groups) as Ip;
  return `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}` as Ip;
}

export function ipToBigInt(ip: Ip): bigint {
  let value = 0n;
  for (const byte of ipBytes(ip)) value = (value << 8n) | BigInt(byte);
  return value;
}

export function ipFromBigInt(value: bigint, family: IpFamily): Ip {
  const bytes = new Uint8Array(bitsOf(family) / 8);
  let rest = value;
  for (let at = bytes.length - 1; at >= 0; at -= 1) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return ipFromBytes(bytes);
}

/** The same prefix with the host bits cleared. */
export function networkOf(cidr: Cidr): Cidr {
  return { ip: firstIp(cidr), prefix: cidr.prefix };
}

export function firstIp(cidr: Cidr): Ip {
  const family = familyOf(cidr.ip);
  const host = BigInt(bitsOf(family) - cidr.prefix);
  return ipFromBigInt((ipToBigInt(cidr.ip) >> host) << host, family);
}

/** The highest address of the prefix; IPv4's broadcast address for prefixes up to /30. */
export function lastIp(cidr: Cidr): Ip {
  const family = familyOf(cidr.ip);
  const host = BigInt(bitsOf(family) - cidr.prefix);
  return ipFromBigInt(ipToBigInt(firstIp(cidr)) | ((1n << host) - 1n), family);
}

export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  const family = familyOf(cidr.ip);
  if (family !== familyOf(ip)) return false;
  const host = BigInt(bitsOf(family) - cidr.prefix);
  return ipToBigInt(cidr.ip) >> host === ipToBigInt(ip) >> host;
}

export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return cidrContains(a, b.ip) ? a.prefix <= b.prefix || cidrContains(b, a.ip) : cidrContains(b, a.ip);
}

export function isLoopbackIp(ip: Ip): boolean {
  return familyOf(ip) === 4 ? ip.startsWith('127.') : ip === '::1';
}

export function isUnspecifiedIp(ip: Ip): boolean {
  return ip === '0.0.0.0' || ip === '::';
}

function bytesOfV6(text: string): Uint8Array {
  const embedded = text.lastIndexOf('.') < 0 ? text : withoutEmbeddedV4(text);
  const [head = '', tail] = embedded.split('::');
  const groupsOf = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((hex) => Number.parseInt(hex, 16));
  const left = groupsOf(head);
  const right = tail === undefined ? [] : groupsOf(tail);
  const groups = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  const bytes = new Uint8Array(16);
  groups.forEach((group, index) => {
    bytes[index * 2] = group >> 8;
    bytes[index * 2 + 1] = group & 0xff;
  });
  return bytes;
}

function withoutEmbeddedV4(text: string): string {
  const colon = text.lastIndexOf(':');
  const [a = 0, b = 0, c = 0, d = 0] = text
    .slice(colon + 1)
    .split('.')
    .map(Number);
  return `${text.slice(0, colon + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  groups.forEach((group, index) => {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  });
  return best;
}
