import {
  type Cidr,
  cidrContains,
  type Id,
  type Ip,
  invalid,
  type Mac,
  macOfAddress,
  unavailable,
} from '../../base/index.ts';
import type {
  ClusterEndpoint,
  EndpointRecord,
  EndpointRequest,
  JoinRequest,
  NetworkRecord,
} from '../../model/index.ts';
import type { ReservedAddress } from '../endpoints/index.ts';
import type { OurPart } from './part.ts';

export interface GlobalJoin extends Pick<JoinRequest, 'endpointId' | 'network' | 'name' | 'dnsNames'> {
  readonly ownerId: Id;
  readonly request: EndpointRequest;
}

/**
 * Addresses on networks of global scope: claimed in the cluster. Those that stopped containers are configured for are passed by
 * when this host chooses; other hosts do not know of them.
 */
export class GlobalEndpoints {
  readonly #ours: OurPart;
  readonly #reserved = new Map<Id, readonly ReservedAddress[]>();

  constructor(deps: { readonly ours: OurPart }) {
    this.#ours = deps.ours;
  }

  /** Says early that nothing will come of it. */
  assertReachable({ name }: Pick<NetworkRecord, 'name'>): void {
    const { cluster, leaving } = this.#ours;
    if (leaving)
      throw unavailable('cluster_leaving', `cannot join network "${name}": this host is leaving the cluster`);
    const problem = cluster === undefined ? 'this host is in no cluster' : cluster.problem;
    if (problem === undefined) return;
    throw unavailable('store_unreachable', `cannot join network "${name}": the cluster cannot be asked: ${problem}`);
  }

  /** Undone by {@link leave}. */
  join({ ownerId, request, ...what }: GlobalJoin): Promise<ClusterEndpoint> {
    this.assertReachable(what.network);
    const { ipv4, ipv6, mac } = request;
    const { cluster } = this.#ours;
    if (cluster === undefined) throw unavailable('store_unreachable', 'this host is in no cluster');
    return cluster.join({
      ...what,
      ...(ipv4 === undefined ? {} : { ipv4 }),
      ...(ipv6 === undefined ? {} : { ipv6 }),
      macOf: (addresses): Mac => mac ?? macOfAddress((addresses.ipv4 ?? addresses.ipv6)?.ip),
      avoid: this.#avoided(ownerId, what.network.id),
    });
  }

  async leave(networkId: Id, endpointId: Id): Promise<void> {
    await this.#ours.cluster?.leave(networkId, endpointId);
  }

  async rename(record: EndpointRecord): Promise<void> {
    const { cluster } = this.#ours;
    if (cluster !== undefined) await cluster.rename(clusterEndpoint(record, cluster.self.id));
  }

  /** Throws `no configured subnet contains IP address X`. */
  reserve(ownerId: Id, addresses: readonly ReservedAddress[], networkOf: (id: Id) => NetworkRecord | undefined): void {
    for (const { networkId, ip } of addresses) {
      const pools = networkOf(networkId)?.pools ?? [];
      if (pools.some(({ subnet }) => cidrContains(subnet, ip))) continue;
      throw invalid('ipam_no_subnet', `no configured subnet contains IP address ${ip}`);
    }
    if (addresses.length === 0) this.#reserved.delete(ownerId);
    else this.#reserved.set(ownerId, addresses);
  }

  forgetReserved(): void {
    this.#reserved.clear();
  }

  #avoided(ownerId: Id, networkId: Id): readonly Ip[] {
    const others = [...this.#reserved].filter(([owner]) => owner !== ownerId).flatMap(([, addresses]) => addresses);
    return others.filter((address) => address.networkId === networkId).map(({ ip }) => ip);
  }
}

/** An endpoint of this host as the cluster knows it. */
export function clusterEndpoint(record: EndpointRecord, nodeId: Id): ClusterEndpoint {
  const { id, networkId, name, dnsNames, ipv4, ipv6, mac } = record;
  const addresses: { readonly ipv4?: Cidr; readonly ipv6?: Cidr } = {
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
  };
  const own = mac ?? macOfAddress((ipv4 ?? ipv6)?.ip);
  return { endpointId: id, networkId, nodeId, name, dnsNames, ...addresses, mac: own };
}
