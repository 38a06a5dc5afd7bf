import { type Cidr, familyOf, forbidden, type Id, type Ip, type IpFamily } from '../../base/index.ts';
import type { Ipam, NetworkRecord } from '../../model/index.ts';

export interface ReservedAddress {
  readonly networkId: Id;
  readonly ip: Ip;
}

interface Holding {
  readonly ownerId: Id;
  readonly address: ReservedAddress;
  readonly cidr: Cidr;
  /** Kept for the owner while it is stopped. */
  reserved: boolean;
  inUse: boolean;
}

/**
 * Addresses of endpoints, taken from IPAM, and the configured ones of stopped containers, which are kept for their owner:
 * dynamic allocation passes them by, and only who is configured for the same address gets it, as in Docker.
 */
export class AddressBook {
  readonly #ipam: Ipam;
  /** By network and address; only those that are reserved or in use. */
  readonly #holdings = new Map<string, Holding>();

  constructor(deps: { readonly ipam: Ipam }) {
    this.#ipam = deps.ipam;
  }

  /** For use by an endpoint of the owner; a wanted one may be reserved, by whomever, but not in use. */
  take(ownerId: Id, network: NetworkRecord, want: { readonly family: IpFamily; readonly ip?: Ip | undefined }): Cidr {
    const { family, ip } = want;
    const held = ip === undefined ? undefined : this.#holdings.get(keyOf({ networkId: network.id, ip }));
    if (held !== undefined) {
      if (held.inUse) throw forbidden('address_in_use', 'Address already in use');
      const reserved = held.ownerId === ownerId && held.reserved;
      this.#holdings.set(keyOf(held.address), { ...held, ownerId, reserved, inUse: true });
      return held.cidr;
    }
    const cidr = this.#ipam.requestAddress(network.id, family, ip);
    const address = { networkId: network.id, ip: cidr.ip };
    this.#holdings.set(keyOf(address), { ownerId, address, cidr, reserved: false, inUse: true });
    return cidr;
  }

  /** Repeatable. A reserved one stays with its owner. */
  giveBack(networkId: Id, ip: Ip): void {
    const holding = this.#holdings.get(keyOf({ networkId, ip }));
    if (holding === undefined) return;
    holding.inUse = false;
    this.#forgetUnused(holding);
  }

  /**
   * All or nothing; replaces what the owner had reserved. What is reserved for another owner stays there: a container may be
   * made to replace a stopped one of the same address.
   */
  reserve(ownerId: Id, addresses: readonly ReservedAddress[]): void {
    const added: Holding[] = [];
    try {
      for (const address of addresses) {
        const holding = this.#holdings.get(keyOf(address)) ?? this.#request(ownerId, address, added);
        if (holding.ownerId !== ownerId && holding.inUse) throw forbidden('address_in_use', 'Address already in use');
      }
    } catch (error) {
      for (const holding of added) this.#forgetUnused(holding);
      throw error;
    }
    const wanted = new Set(addresses.map(keyOf));
    for (const [key, holding] of [...this.#holdings]) {
      if (holding.ownerId !== ownerId) continue;
      holding.reserved = wanted.has(key);
      this.#forgetUnused(holding);
    }
  }

  unreserve(ownerId: Id): void {
    this.reserve(ownerId, []);
  }

  /** The network has gone, and its pools with it. */
  forgetNetwork(networkId: Id): void {
    for (const [key, { address }] of [...this.#holdings]) {
      if (address.networkId === networkId) this.#holdings.delete(key);
    }
  }

  #request(ownerId: Id, address: ReservedAddress, added: Holding[]): Holding {
    const cidr = this.#ipam.requestAddress(address.networkId, familyOf(address.ip), address.ip);
    const holding = { ownerId, address, cidr, reserved: false, inUse: false };
    this.#holdings.set(keyOf(address), holding);
    added.push(holding);
    return holding;
  }

  #forgetUnused(holding: Holding): void {
    if (holding.inUse || holding.reserved) return;
    const { address } = holding;
    if (this.#holdings.delete(keyOf(address))) this.#ipam.releaseAddress(address.networkId, address.ip);
  }
}

function keyOf({ networkId, ip }: ReservedAddress): string {
  return `${networkId} ${ip}`;
}
