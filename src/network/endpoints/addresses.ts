import { type Cidr, familyOf, forbidden, type Id, type Ip, type IpFamily, isKind } from '../../base/index.ts';
import type { Ipam, NetworkRecord } from '../../model/index.ts';

export interface ReservedAddress {
  readonly networkId: Id;
  readonly ip: Ip;
}

/** An address that IPAM has given us: somebody uses it, or is configured for it, or both. */
interface Holding {
  readonly address: ReservedAddress;
  readonly cidr: Cidr;
  user: Id | undefined;
  /** Whose configuration names it, running or not. */
  readonly keepers: Set<Id>;
}

/**
 * Addresses of endpoints, taken from IPAM, and the configured ones of stopped containers, which are kept for their owners:
 * dynamic allocation passes them by. Several may be configured for the same one, as in Docker; it is in use by one at a time.
 */
export class AddressBook {
  readonly #ipam: Ipam;
  /** By network and address. */
  readonly #holdings = new Map<string, Holding>();

  constructor(deps: { readonly ipam: Ipam }) {
    this.#ipam = deps.ipam;
  }

  /** For use by an endpoint of the owner; a wanted one may be kept, for whomever, but not in use. */
  take(ownerId: Id, network: NetworkRecord, want: { readonly family: IpFamily; readonly ip?: Ip | undefined }): Cidr {
    const { family, ip } = want;
    const held = ip === undefined ? undefined : this.#holdings.get(keyOf({ networkId: network.id, ip }));
    if (held !== undefined) {
      if (held.user !== undefined) throw forbidden('address_in_use', 'Address already in use');
      held.user = ownerId;
      return held.cidr;
    }
    const cidr = this.#ipam.requestAddress(network.id, family, ip);
    const address = { networkId: network.id, ip: cidr.ip };
    this.#holdings.set(keyOf(address), { address, cidr, user: ownerId, keepers: new Set() });
    return cidr;
  }

  /** Repeatable. One that somebody is configured for stays out of dynamic allocation. */
  giveBack(networkId: Id, ip: Ip): void {
    const holding = this.#holdings.get(keyOf({ networkId, ip }));
    if (holding === undefined) return;
    holding.user = undefined;
    this.#forgetUnused(holding);
  }

  /**
   * Replaces what the owner is configured for; all or nothing. An address that is in use now is kept from when it is free:
   * whether the owner may use it shows when it is taken. One outside the network's subnets is refused.
   */
  reserve(ownerId: Id, addresses: readonly ReservedAddress[]): void {
    const wanted = new Map<string, Holding>();
    try {
      for (const address of addresses) {
        const holding = this.#holdings.get(keyOf(address)) ?? this.#request(address);
        if (holding !== undefined) wanted.set(keyOf(address), holding);
      }
    } catch (error) {
      for (const holding of wanted.values()) this.#forgetUnused(holding);
      throw error;
    }
    for (const holding of wanted.values()) holding.keepers.add(ownerId);
    for (const [key, holding] of [...this.#holdings]) {
      if (wanted.has(key) || !holding.keepers.delete(ownerId)) continue;
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

  /** None when it is IPAM's own, a gateway or an auxiliary one: no endpoint ever gets that. */
  #request(address: ReservedAddress): Holding | undefined {
    try {
      const cidr = this.#ipam.requestAddress(address.networkId, familyOf(address.ip), address.ip);
      const holding = { address, cidr, user: undefined, keepers: new Set<Id>() };
      this.#holdings.set(keyOf(address), holding);
      return holding;
    } catch (error) {
      if (isKind(error, 'forbidden')) return undefined;
      throw error;
    }
  }

  #forgetUnused(holding: Holding): void {
    if (holding.user !== undefined || holding.keepers.size > 0) return;
    const { address } = holding;
    if (this.#holdings.delete(keyOf(address))) this.#ipam.releaseAddress(address.networkId, address.ip);
  }
}

function keyOf({ networkId, ip }: ReservedAddress): string {
  return `${networkId} ${ip}`;
}
