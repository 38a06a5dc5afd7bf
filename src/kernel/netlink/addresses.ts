import { type Cidr, cidrText, type Ip, type IpFamily, ipBytes, ipFromBytes } from '../../base/index.ts';
import { isErrno } from '../ffi/index.ts';
import {
  afOf,
  afOfIp,
  uapi as c,
  familyOfAf,
  type Message,
  MessageWriter,
  type NetlinkSocket,
  pack,
  readAttributes,
  viewOf,
} from './core/index.ts';

/** How far an address or a route is valid, as the kernel numbers it. */
export type Scope = 'universe' | 'site' | 'link' | 'host' | 'nowhere';

export const SCOPES: Readonly<Record<Scope, number>> = { universe: 0, site: 200, link: 253, host: 254, nowhere: 255 };

export function scopeOf(number: number): Scope {
  const found = Object.entries(SCOPES).find(([, value]) => value === number);
  return (found?.[0] ?? 'universe') as Scope;
}

export interface AddressOptions {
  /** No duplicate address detection: an IPv6 address is usable at once. */
  readonly noDad?: boolean | undefined;
  /** No route to the prefix is made. */
  readonly noPrefixRoute?: boolean | undefined;
  readonly broadcast?: Ip | undefined;
  /** The other end of a point-to-point link. */
  readonly peer?: Ip | undefined;
  readonly scope?: Scope | undefined;
  /** Absent: for ever. */
  readonly lifetimes?: Lifetimes | undefined;
  /** Of the route to the prefix. */
  readonly metric?: number | undefined;
  /** An address that is there already is not an error. */
  readonly ifMissing?: boolean | undefined;
}

/** How long an address that was given for a time is still good, in seconds; `Infinity`: for ever. */
export interface Lifetimes {
  readonly preferredSeconds: number;
  readonly validSeconds: number;
}

export interface Address {
  readonly linkIndex: number;
  readonly cidr: Cidr;
  readonly family: IpFamily;
  readonly peer: Ip | undefined;
  readonly broadcast: Ip | undefined;
  readonly label: string | undefined;
  readonly scope: Scope;
  /** Undefined: for ever. */
  readonly lifetimes: Lifetimes | undefined;
  readonly metric: number | undefined;
  readonly flags: {
    readonly permanent: boolean;
    readonly tentative: boolean;
    readonly dadFailed: boolean;
    readonly deprecated: boolean;
    readonly secondary: boolean;
    readonly noPrefixRoute: boolean;
  };
}

const IFADDRMSG_LENGTH = 8;

/** Addresses of one network namespace. */
export class Addresses {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** False when it was there and `ifMissing` allows that. */
  add(linkIndex: number, cidr: Cidr, options: AddressOptions = {}): boolean {
    const flags = c.NLM_F_REQUEST | c.NLM_F_ACK | c.NLM_F_CREATE | c.NLM_F_EXCL;
    const message = addressMessage(new MessageWriter(c.RTM_NEWADDR, flags), linkIndex, cidr, options);
    try {
      this.#socket.change(message, `add address ${cidrText(cidr)} to link ${linkIndex}`);
      return true;
    } catch (error) {
      if (options.ifMissing === true && isErrno(error, 'EEXIST')) return false;
      throw error;
    }
  }

  /** False when it, or the link, is not there. */
  remove(linkIndex: number, cidr: Cidr): boolean {
    const write = removalMessage(linkIndex, cidr, c.NLM_F_REQUEST | c.NLM_F_ACK);
    try {
      this.#socket.change(write, `remove address ${cidrText(cidr)} from link ${linkIndex}`);
      return true;
    } catch (error) {
      if (isErrno(error, 'EADDRNOTAVAIL', 'ENODEV')) return false;
      throw error;
    }
  }

  /** Of all links or of one, IPv4 first. */
  list(linkIndex?: number): Address[] {
    const addresses = ([4, 6] as const).flatMap((family) => this.#dump(family, linkIndex ?? 0));
    return linkIndex === undefined ? addresses : addresses.filter((address) => address.linkIndex === linkIndex);
  }

  #dump(family: IpFamily, linkIndex: number): Address[] {
    const request = (): MessageWriter =>
      new MessageWriter(c.RTM_GETADDR, c.NLM_F_REQUEST | c.NLM_F_DUMP).raw(
        pack([1, afOf(family)], [1, 0], [1, 0], [1, 0], [4, linkIndex]),
      );
    try {
      return this.#socket.dump(request, 'list addresses', (reply) =>
        reply.type === c.RTM_NEWADDR ? decodeAddress(reply) : undefined,
      );
    } catch (error) {
      // The link is gone, or the kernel runs without IPv6.
      if (isErrno(error, 'ENODEV', 'EOPNOTSUPP')) return [];
      throw error;
    }
  }
}

/** struct ifaddrmsg. */
function addressHeader(cidr: Cidr, linkIndex: number, scope: number): Uint8Array {
  return pack([1, afOfIp(cidr.ip)], [1, cidr.prefix], [1, 0], [1, scope], [4, linkIndex]);
}

export function removalMessage(linkIndex: number, cidr: Cidr, flags: number): MessageWriter {
  const write = new MessageWriter(c.RTM_DELADDR, flags);
  return write.raw(addressHeader(cidr, linkIndex, 0)).bytes(c.IFA_LOCAL, ipBytes(cidr.ip));
}

export function addressMessage(
  write: MessageWriter,
  linkIndex: number,
  cidr: Cidr,
  options: AddressOptions,
): MessageWriter {
  write.raw(addressHeader(cidr, linkIndex, SCOPES[options.scope ?? 'universe']));
  const local = ipBytes(cidr.ip);
  write.bytes(c.IFA_LOCAL, local);
  write.bytes(c.IFA_ADDRESS, options.peer === undefined ? local : ipBytes(options.peer));
  if (options.broadcast !== undefined) write.bytes(c.IFA_BROADCAST, ipBytes(options.broadcast));
  if (options.lifetimes !== undefined) write.bytes(c.IFA_CACHEINFO, cacheInfo(options.lifetimes));
  if (options.metric !== undefined) write.u32(c.IFA_RT_PRIORITY, options.metric);
  const flags = (options.noDad ? c.IFA_F_NODAD : 0) | (options.noPrefixRoute ? c.IFA_F_NOPREFIXROUTE : 0);
  if (flags !== 0) write.u32(c.IFA_FLAGS, flags);
  return write;
}

const FOREVER = 0xffffffff;

/** struct ifa_cacheinfo: preferred, valid, and two stamps of the kernel's own. */
function cacheInfo({ preferredSeconds, validSeconds }: Lifetimes): Uint8Array {
  const number = (seconds: number): number => Math.min(seconds, FOREVER);
  return pack([4, number(preferredSeconds)], [4, number(validSeconds)], [4, 0], [4, 0]);
}

function lifetimesOf(bytes: Uint8Array | undefined): Lifetimes | undefined {
  if (bytes === undefined) return undefined;
  const view = viewOf(bytes);
  const seconds = (at: number): number => {
    const number = view.getUint32(at, true);
    return number === FOREVER ? Number.POSITIVE_INFINITY : number;
  };
  const [preferredSeconds, validSeconds] = [seconds(0), seconds(4)];
  return validSeconds === Number.POSITIVE_INFINITY ? undefined : { preferredSeconds, validSeconds };
}

/** Reads an RTM_NEWADDR or RTM_DELADDR; undefined for families other than IPv4 and IPv6. */
export function decodeAddress({ body }: Message): Address | undefined {
  const view = viewOf(body);
  const family = familyOfAf(view.getUint8(0));
  const attributes = readAttributes(body, IFADDRMSG_LENGTH);
  const far = attributes.bytes(c.IFA_ADDRESS);
  const local = attributes.bytes(c.IFA_LOCAL) ?? far;
  if (family === undefined || local === undefined) return undefined;
  const broadcast = attributes.bytes(c.IFA_BROADCAST);
  const ip = ipFromBytes(local);
  const peer = far === undefined ? ip : ipFromBytes(far);
  const flags = attributes.u32(c.IFA_FLAGS) ?? view.getUint8(2);
  return {
    linkIndex: view.getUint32(4, true),
    cidr: { ip, prefix: view.getUint8(1) },
    family,
    peer: peer === ip ? undefined : peer,
    broadcast: broadcast === undefined ? undefined : ipFromBytes(broadcast),
    label: attributes.text(c.IFA_LABEL),
    scope: scopeOf(view.getUint8(3)),
    lifetimes: lifetimesOf(attributes.bytes(c.IFA_CACHEINFO)),
    metric: attributes.u32(c.IFA_RT_PRIORITY),
    flags: {
      permanent: (flags & c.IFA_F_PERMANENT) !== 0,
      tentative: (flags & c.IFA_F_TENTATIVE) !== 0,
      dadFailed: (flags & c.IFA_F_DADFAILED) !== 0,
      deprecated: (flags & c.IFA_F_DEPRECATED) !== 0,
      secondary: (flags & c.IFA_F_SECONDARY) !== 0,
      noPrefixRoute: (flags & c.IFA_F_NOPREFIXROUTE) !== 0,
    },
  };
}
