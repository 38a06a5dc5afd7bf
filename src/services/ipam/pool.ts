import {
  bitsOf,
  type Cidr,
  familyOf,
  firstIp,
  forbidden,
  type Ip,
  type IpFamily,
  ipFromBigInt,
  ipToBigInt,
  lastIp,
  unavailable,
} from '../../base/index.ts';
import { IntervalSet } from './interval-set.ts';

/** Inclusive bounds of a prefix as numbers. */
export interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

export function spanOf(cidr: Cidr): Span {
  return { first: ipToBigInt(firstIp(cidr)), last: ipToBigInt(lastIp(cidr)) };
}

/** The addresses of one subnet: which are taken, and which can never be given away. */
export class PoolAddresses {
  readonly subnet: Cidr;
  readonly family: IpFamily;
  readonly span: Span;
  readonly #dynamic: Span;
  readonly #taken = new IntervalSet();
  /** Taken for the pool's whole life: network, broadcast, gateway, auxiliary. */
  readonly #fixed = new Set<bigint>();

  constructor(subnet: Cidr, ipRange: Cidr = subnet) {
    this.subnet = subnet;
    this.family = familyOf(subnet.ip);
    this.span = spanOf(subnet);
    this.#dynamic = spanOf(ipRange);
    // Two addresses or one (RFC 3021, RFC 6164): there is none to spare.
    if (bitsOf(this.family) - subnet.prefix < 2) return;
    // IPv4: the network's own address. IPv6: the subnet-router anycast address.
    this.#fix(this.span.first);
    if (this.family === 4) this.#fix(this.span.last);
  }

  contains(ip: Ip): boolean {
    if (familyOf(ip) !== this.family) return false;
    const value = ipToBigInt(ip);
    return this.span.first <= value && value <= this.span.last;
  }

  /** Whether the dynamic range, or another, has a free address. */
  hasRoom(range: Span = this.#dynamic): boolean {
    return this.#taken.firstMissing(range.first) <= range.last;
  }

  /** Takes the lowest free address of the dynamic range, or of another. Throws `ipam_no_address`. */
  takeAny(range: Span = this.#dynamic): Ip {
    const value = this.#taken.firstMissing(range.first);
    if (value > range.last) throw unavailable('ipam_no_address', 'no available addresses on this pool');
    this.#taken.add(value);
    return ipFromBigInt(value, this.family);
  }

  /** Throws `ipam_address_in_use`. */
  take(ip: Ip): Ip {
    if (!this.#taken.add(ipToBigInt(ip))) throw forbidden('ipam_address_in_use', 'Address already in use');
    return ip;
  }

  /** Keeps an address, taken before or not, for the pool's life. */
  reserve(ip: Ip): Ip {
    this.#fix(ipToBigInt(ip));
    return ip;
  }

  /** Repeatable; what is reserved stays. */
  release(ip: Ip): void {
    const value = ipToBigInt(ip);
    if (!this.#fixed.has(value)) this.#taken.delete(value);
  }

  #fix(value: bigint): void {
    this.#taken.add(value);
    this.#fixed.add(value);
  }
}
