import type { Id, Ip, Mac } from '../../base/index.ts';
import type { Peer } from '../../model/index.ts';

/** What the kernel has of the endpoints on other nodes: behind which node an Ethernet address is, and who has an IP address. */
export interface PeerEntries {
  readonly forwarding: ReadonlyMap<Mac, Ip>;
  readonly neighbours: ReadonlyMap<Ip, Mac>;
}

export interface PeerChange {
  readonly set: readonly Peer[];
  readonly remove: readonly Id[];
}

/** What has to happen in the kernel. */
export interface PeerDifference {
  readonly set: PeerEntries;
  readonly remove: { readonly forwarding: readonly Mac[]; readonly neighbours: readonly Ip[] };
}

/**
 * The endpoints of a network on other nodes. When an address moves, its new place may be heard of before the old one's end:
 * of several that claim an Ethernet or IP address the last that was set has it, and when that goes, the one before.
 */
export class PeerTable {
  readonly #peers = new Map<Id, Peer>();
  readonly #byMac = new Map<Mac, Id[]>();
  readonly #byIp = new Map<Ip, Id[]>();

  constructor(peers: readonly Peer[] = []) {
    this.change({ set: peers, remove: [] });
  }

  get size(): number {
    return this.#peers.size;
  }

  /** Of all of them. */
  entries(): PeerEntries {
    return this.#select(this.#byMac.keys(), this.#byIp.keys()).set;
  }

  /** Returns what is other than before, in the end. */
  change({ set, remove }: PeerChange): PeerDifference {
    const touched = [...remove, ...set.map(({ endpointId }) => endpointId)].flatMap((id) => this.#peers.get(id) ?? []);
    const all = [...touched, ...set];
    const macs = new Set(all.map(({ mac }) => mac));
    const ips = new Set(all.flatMap(ipsOf));
    const before = this.#select(macs, ips).set;
    for (const id of remove) this.#forget(id);
    for (const peer of set) this.#remember(peer);
    const after = this.#select(macs, ips);
    return {
      set: {
        forwarding: changed(before.forwarding, after.set.forwarding),
        neighbours: changed(before.neighbours, after.set.neighbours),
      },
      remove: {
        forwarding: after.remove.forwarding.filter((mac) => before.forwarding.has(mac)),
        neighbours: after.remove.neighbours.filter((ip) => before.neighbours.has(ip)),
      },
    };
  }

  #select(macs: Iterable<Mac>, ips: Iterable<Ip>): PeerDifference {
    const forwarding = new Map<Mac, Ip>();
    const neighbours = new Map<Ip, Mac>();
    const gone = { forwarding: [] as Mac[], neighbours: [] as Ip[] };
    for (const mac of macs) {
      const peer = this.#last(this.#byMac.get(mac));
      if (peer === undefined) gone.forwarding.push(mac);
      else forwarding.set(mac, peer.underlay);
    }
    for (const ip of ips) {
      const peer = this.#last(this.#byIp.get(ip));
      if (peer === undefined) gone.neighbours.push(ip);
      else neighbours.set(ip, peer.mac);
    }
    return { set: { forwarding, neighbours }, remove: gone };
  }

  #last(ids: readonly Id[] | undefined): Peer | undefined {
    const id = ids?.at(-1);
    return id === undefined ? undefined : this.#peers.get(id);
  }

  #remember(peer: Peer): void {
    this.#forget(peer.endpointId);
    this.#peers.set(peer.endpointId, peer);
    push(this.#byMac, peer.mac, peer.endpointId);
    for (const ip of ipsOf(peer)) push(this.#byIp, ip, peer.endpointId);
  }

  #forget(id: Id): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#peers.delete(id);
    pull(this.#byMac, peer.mac, id);
    for (const ip of ipsOf(peer)) pull(this.#byIp, ip, id);
  }
}

function ipsOf({ ipv4, ipv6 }: Peer): readonly Ip[] {
  return [ipv4, ipv6].filter((ip) => ip !== undefined);
}

function changed<K, V>(before: ReadonlyMap<K, V>, after: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
  return new Map([...after].filter(([key, value]) => before.get(key) !== value));
}

function push<K>(map: Map<K, Id[]>, key: K, id: Id): void {
  const ids = map.get(key);
  if (ids === undefined) map.set(key, [id]);
  else ids.push(id);
}

function pull<K>(map: Map<K, Id[]>, key: K, id: Id): void {
  const left = (map.get(key) ?? []).filter((one) => one !== id);
  if (left.length === 0) map.delete(key);
  else map.set(key, left);
}
