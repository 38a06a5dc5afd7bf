import {
  type Cidr,
  familyOf,
  forbidden,
  type Id,
  type Ip,
  type IpFamily,
  invalid,
  unavailable,
} from '../../base/index.ts';
import type { NetworkRecord } from '../../model/index.ts';
import { PoolAddresses, spanOf } from '../ipam/index.ts';

export interface ChooseOptions {
  readonly avoid: ReadonlySet<Ip>;
  /** Of how many free ones to pass over at random, so that nodes that contend do not meet again: 0, lowest first. */
  readonly passOver: number;
  /** Only of these; a family without one: of the whole network. */
  readonly within: readonly Cidr[];
}

/**
 * Which addresses of a network are taken, as far as this node knows. The store has the last word; this keeps nodes from
 * asking it for what others have, and one node from asking for the same twice.
 */
export class KnownAddresses {
  readonly #network: Pick<NetworkRecord, 'pools'>;
  readonly #owners = new Map<Ip, Id>();
  #pools: readonly PoolAddresses[] = [];

  constructor(network: Pick<NetworkRecord, 'pools'>) {
    this.#network = network;
    this.reset([]);
  }

  /** These are all that are taken. */
  reset(owners: Iterable<readonly [Ip, Id]>): void {
    this.#pools = this.#network.pools.map((pool) => {
      const addresses = new PoolAddresses(pool.subnet, pool.ipRange);
      for (const ip of [...Object.values(pool.auxiliary), ...(pool.gateway === undefined ? [] : [pool.gateway])]) {
        addresses.reserve(ip);
      }
      return addresses;
    });
    this.#owners.clear();
    for (const [ip, endpointId] of owners) this.take(ip, endpointId);
  }

  ownerOf(ip: Ip): Id | undefined {
    return this.#owners.get(ip);
  }

  take(ip: Ip, endpointId: Id): void {
    const pool = this.#poolOf(ip);
    if (pool === undefined) return;
    if (!this.#owners.has(ip)) pool.take(ip);
    this.#owners.set(ip, endpointId);
  }

  /** Only if it is that endpoint's; repeatable. */
  release(ip: Ip, endpointId: Id): void {
    if (this.#owners.get(ip) !== endpointId) return;
    this.#owners.delete(ip);
    this.#poolOf(ip)?.release(ip);
  }

  /**
   * A free one, taken for the endpoint. Throws unavailable `no available addresses on this pool`. Undefined: the network has
   * no pool of that family.
   */
  choose(family: IpFamily, endpointId: Id, { avoid, passOver, within }: ChooseOptions): Cidr | undefined {
    const pools = this.#pools.filter((pool) => pool.family === family);
    if (pools.length === 0) return undefined;
    const block = within.find(({ ip }) => familyOf(ip) === family);
    const range = block === undefined ? undefined : spanOf(block);
    const passed: (readonly [PoolAddresses, Ip])[] = [];
    try {
      let left = passOver;
      for (const pool of pools) {
        while (pool.hasRoom(range)) {
          const ip = pool.takeAny(range);
          if (left <= 0 && !avoid.has(ip)) {
            this.#owners.set(ip, endpointId);
            return { ip, prefix: pool.subnet.prefix };
          }
          if (!avoid.has(ip)) left -= 1;
          passed.push([pool, ip]);
        }
      }
      const last = passed.findLast(([, ip]) => !avoid.has(ip));
      if (last === undefined) throw unavailable('ipam_no_address', 'no available addresses on this pool');
      const [pool, ip] = last;
      passed.splice(passed.indexOf(last), 1);
      this.#owners.set(ip, endpointId);
      return { ip, prefix: pool.subnet.prefix };
    } finally {
      for (const [pool, ip] of passed) pool.release(ip);
    }
  }

  /**
   * A wanted one with the prefix of its pool; whether it is free the store says. Throws `no configured subnet contains IP address
   * X` (invalid), and for a gateway or an auxiliary address `Address already in use`.
   */
  wanted(ip: Ip): Cidr {
    const pool = this.#poolOf(ip);
    if (pool === undefined) throw invalid('ipam_no_subnet', `no configured subnet contains IP address ${ip}`);
    if (!this.#owners.has(ip)) {
      // Throws for what is kept for the network's whole life.
      pool.take(ip);
      pool.release(ip);
    }
    return { ip, prefix: pool.subnet.prefix };
  }

  #poolOf(ip: Ip): PoolAddresses | undefined {
    return this.#pools.find((pool) => pool.contains(ip));
  }
}

export function addressInUse(): Error {
  return forbidden('address_in_use', 'Address already in use');
}
