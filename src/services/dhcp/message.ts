import {
  type Cidr,
  type Ip,
  ipBytes,
  ipFromBytes,
  isUnspecifiedIp,
  type Mac,
  macBytes,
  tryParseIp,
} from '../../base/index.ts';
import type { LeasedRoute } from '../../model/index.ts';

// RFC 2131 §2 and RFC 2132, as far as a client needs them.

export const DHCP_TYPES = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7 } as const;
export type DhcpType = keyof typeof DHCP_TYPES;

const FIXED_LENGTH = 236;
/** Some relays drop what is shorter (RFC 1542 §2.1). */
const SHORTEST = 300;
const COOKIE = Uint8Array.of(99, 130, 83, 99);
const FROM_CLIENT = 1;
const FROM_SERVER = 2;
const ETHERNET = 1;
const BROADCAST_FLAG = 0x8000;

const OPTION = {
  mask: 1,
  router: 3,
  dns: 6,
  hostname: 12,
  domain: 15,
  mtu: 26,
  requestedIp: 50,
  leaseTime: 51,
  overload: 52,
  type: 53,
  server: 54,
  parameters: 55,
  maximumSize: 57,
  renewTime: 58,
  rebindTime: 59,
  clientId: 61,
  classlessRoutes: 121,
} as const;
const PAD = 0;
const END = 255;
const WANTED = [
  OPTION.classlessRoutes,
  OPTION.mask,
  OPTION.router,
  OPTION.dns,
  OPTION.domain,
  OPTION.mtu,
  OPTION.leaseTime,
  OPTION.renewTime,
  OPTION.rebindTime,
];
const MAXIMUM_SIZE = 1472;
const UNSPECIFIED = tryParseIp('0.0.0.0') as Ip;

export interface DhcpQuestion {
  readonly type: 'discover' | 'request' | 'release';
  readonly transaction: number;
  readonly mac: Mac;
  readonly clientId: Uint8Array;
  readonly hostname: string;
  /** The address the link has: of renewals and releases. */
  readonly ownAddress?: Ip | undefined;
  readonly requestedAddress?: Ip | undefined;
  readonly server?: Ip | undefined;
  /** The answer must come to everybody: the link has no address yet. */
  readonly broadcast: boolean;
}

export interface DhcpAnswer {
  readonly type: DhcpType;
  readonly transaction: number;
  readonly mac: Mac | undefined;
  readonly address: Ip;
  readonly server: Ip | undefined;
  readonly prefix: number | undefined;
  readonly router: Ip | undefined;
  readonly routes: readonly LeasedRoute[];
  readonly dns: readonly Ip[];
  readonly domain: string | undefined;
  readonly mtu: number | undefined;
  readonly leaseSeconds: number | undefined;
  readonly renewSeconds: number | undefined;
  readonly rebindSeconds: number | undefined;
}

export function encodeQuestion(question: DhcpQuestion): Uint8Array {
  const options: number[] = [...COOKIE];
  const add = (code: number, value: Iterable<number>): void => {
    const bytes = [...value];
    if (bytes.length > 0 && bytes.length < 256) options.push(code, bytes.length, ...bytes);
  };
  add(OPTION.type, [DHCP_TYPES[question.type]]);
  add(OPTION.clientId, question.clientId);
  if (question.requestedAddress !== undefined) add(OPTION.requestedIp, ipBytes(question.requestedAddress));
  if (question.server !== undefined) add(OPTION.server, ipBytes(question.server));
  if (question.type !== 'release') {
    add(OPTION.maximumSize, [MAXIMUM_SIZE >> 8, MAXIMUM_SIZE & 0xff]);
    add(OPTION.hostname, Buffer.from(question.hostname.slice(0, 63), 'latin1'));
    add(OPTION.parameters, WANTED);
  }
  options.push(END);
  const bytes = new Uint8Array(Math.max(FIXED_LENGTH + options.length, SHORTEST));
  const view = new DataView(bytes.buffer);
  bytes.set([FROM_CLIENT, ETHERNET, 6, 0]);
  view.setUint32(4, question.transaction);
  view.setUint16(10, question.broadcast ? BROADCAST_FLAG : 0);
  bytes.set(ipBytes(question.ownAddress ?? UNSPECIFIED), 12);
  bytes.set(macBytes(question.mac), 28);
  bytes.set(options, FIXED_LENGTH);
  return bytes;
}

/** Undefined: no answer of a DHCP server, or one that is cut off. */
export function decodeAnswer(bytes: Uint8Array): DhcpAnswer | undefined {
  if (bytes.length < FIXED_LENGTH + COOKIE.length || bytes[0] !== FROM_SERVER) return undefined;
  if (COOKIE.some((byte, at) => bytes[FIXED_LENGTH + at] !== byte)) return undefined;
  const options = readOptions(bytes);
  const number = options.get(OPTION.type)?.[0];
  const type = (Object.keys(DHCP_TYPES) as DhcpType[]).find((name) => DHCP_TYPES[name] === number);
  if (type === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const mac = [...bytes.subarray(28, 34)].map((byte) => byte.toString(16).padStart(2, '0')).join(':') as Mac;
  const domain = options.get(OPTION.domain);
  return {
    type,
    transaction: view.getUint32(4),
    mac: bytes[1] === ETHERNET && bytes[2] === 6 ? mac : undefined,
    address: ipFromBytes(bytes.subarray(16, 20)),
    server: addresses(options.get(OPTION.server))[0],
    prefix: prefixOf(options.get(OPTION.mask)),
    router: addresses(options.get(OPTION.router))[0],
    routes: readRoutes(options.get(OPTION.classlessRoutes)),
    dns: addresses(options.get(OPTION.dns)),
    domain: domain === undefined ? undefined : domainName(domain),
    mtu: mtuOf(options.get(OPTION.mtu)),
    leaseSeconds: seconds(options.get(OPTION.leaseTime)),
    renewSeconds: seconds(options.get(OPTION.renewTime)),
    rebindSeconds: seconds(options.get(OPTION.rebindTime)),
  };
}

/** Of the options field and, where that says so, of the fields for file and server name; parts of one are joined. */
function readOptions(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const read = (field: Uint8Array): void => {
    for (let at = 0; at < field.length && field[at] !== END; ) {
      const code = field[at] ?? END;
      if (code === PAD) {
        at += 1;
        continue;
      }
      const length = field[at + 1] ?? 0;
      if (at + 2 + length > field.length) return;
      found.set(code, Uint8Array.from([...(found.get(code) ?? []), ...field.subarray(at + 2, at + 2 + length)]));
      at += 2 + length;
    }
  };
  read(bytes.subarray(FIXED_LENGTH + COOKIE.length));
  const overload = found.get(OPTION.overload)?.[0] ?? 0;
  if ((overload & 1) !== 0) read(bytes.subarray(108, FIXED_LENGTH));
  if ((overload & 2) !== 0) read(bytes.subarray(44, 108));
  return found;
}

function addresses(bytes: Uint8Array = new Uint8Array()): Ip[] {
  const found: Ip[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += 4) found.push(ipFromBytes(bytes.subarray(at, at + 4)));
  return found.filter((ip) => !isUnspecifiedIp(ip));
}

function number(bytes: Uint8Array): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

function seconds(bytes: Uint8Array | undefined): number | undefined {
  return bytes?.length === 4 ? number(bytes) : undefined;
}

/** What is smaller than every link must carry (RFC 791) is a mistake. */
function mtuOf(bytes: Uint8Array | undefined): number | undefined {
  const mtu = bytes?.length === 2 ? number(bytes) : 0;
  return mtu >= 68 ? mtu : undefined;
}

/** Undefined for a mask with holes. */
function prefixOf(bytes: Uint8Array | undefined): number | undefined {
  if (bytes?.length !== 4) return undefined;
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return /^1*0*$/.test(bits) ? bits.lastIndexOf('1') + 1 : undefined;
}

/** Anything but a name stays out of /etc/resolv.conf. */
function domainName(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes).toString('latin1').replace(/\0+$/, '');
  return /^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/.test(text) ? text : undefined;
}

/** RFC 3442: prefix length, as many bytes of the destination as it needs, gateway. A mistake ends the list. */
function readRoutes(bytes: Uint8Array = new Uint8Array()): LeasedRoute[] {
  const routes: LeasedRoute[] = [];
  for (let at = 0; at < bytes.length; ) {
    const prefix = bytes[at] ?? 33;
    const significant = Math.ceil(prefix / 8);
    const end = at + 1 + significant + 4;
    if (prefix > 32 || end > bytes.length) break;
    const ip = new Uint8Array(4);
    ip.set(bytes.subarray(at + 1, at + 1 + significant));
    const gateway = ipFromBytes(bytes.subarray(end - 4, end));
    const destination: Cidr = { ip: ipFromBytes(ip), prefix };
    routes.push(isUnspecifiedIp(gateway) ? { destination } : { destination, gateway });
    at = end;
  }
  return routes;
}
