import type { Cidr, Id, Ip, Mac } from '../base/index.ts';
import type { NetworkRecord, PoolRequest } from './network.ts';

/** A host of the cluster, as the others know it. */
export interface ClusterNode {
  readonly id: Id;
  /** Its host name. */
  readonly name: string;
  /** Underlay address: where other nodes send frames and packets for its containers (`--cluster-advertise`). */
  readonly address: Ip;
  /** false: it has not renewed its presence. Names of its containers are not answered then. */
  readonly alive: boolean;
}

/** An endpoint of a network of global scope, as every node can know it. Plain JSON data. */
export interface ClusterEndpoint {
  readonly endpointId: Id;
  readonly networkId: Id;
  readonly nodeId: Id;
  readonly name: string;
  readonly dnsNames: readonly string[];
  readonly ipv4?: Cidr;
  readonly ipv6?: Cidr;
  readonly mac: Mac;
}

/** Where an endpoint of another node is: what the data path needs. */
export interface Peer {
  readonly endpointId: Id;
  readonly ipv4?: Ip;
  readonly ipv6?: Ip;
  readonly mac: Mac;
  /** Underlay address of its node. */
  readonly underlay: Ip;
}

/** What a node wants to join to a network of global scope. */
export interface JoinRequest {
  readonly endpointId: Id;
  readonly network: NetworkRecord;
  readonly name: string;
  readonly dnsNames: readonly string[];
  /** Wanted addresses; absent: the lowest free one of each family that the network has. */
  readonly ipv4?: Ip;
  readonly ipv6?: Ip;
  /** The Ethernet address that goes with the addresses. */
  readonly macOf: (addresses: { readonly ipv4?: Cidr; readonly ipv6?: Cidr }) => Mac;
}

/** What is happening on one network elsewhere. `names`: whether names of it are to be answered (its node is alive). */
export interface EndpointNews {
  readonly set: readonly (ClusterEndpoint & { readonly underlay: Ip; readonly names: boolean })[];
  readonly removed: readonly Id[];
}

/** A network of global scope before addresses and identifier are chosen. */
export type PlannedGlobalNetwork = Omit<NetworkRecord, 'pools' | 'driverState'> & {
  readonly requests: readonly GlobalPoolRequest[];
  /** VXLAN network identifiers that the user chose, one for the network. */
  readonly vni?: number;
  /** false: no identifier is needed (macvlan, ipvlan, direct routing). */
  readonly needsVni: boolean;
};

export interface GlobalPoolRequest {
  readonly family: 4 | 6;
  readonly request: PoolRequest;
  readonly wantsGateway: boolean;
}

/** `driverState` key of a network's VXLAN network identifier. */
export const VNI = 'vni';

/**
 * The cluster as one node sees it: who is there, networks and endpoints of global scope. State is in the {@link ClusterStore};
 * nothing here decides by majority or tells others.
 *
 * Two lifetimes (leases): *presence*, seconds, says that a node is alive, and its names are answered as long; a *claim*, an hour,
 * holds its addresses and where they are. So a node that is cut off from the store keeps the addresses of its running containers,
 * others go on sending to them, and nobody is given one of them.
 */
export interface Cluster {
  readonly self: ClusterNode;
  /** Whether the store answered last. While it does not, what is known stays. */
  readonly reachable: boolean;
  nodes(): readonly ClusterNode[];
  /**
   * Chooses subnets and identifier without duplicates and stores the network. Throws conflict `network_exists` (Docker's
   * text), forbidden `ipam_pool_overlap`, forbidden `vni_taken`, unavailable `store_unreachable`.
   */
  createNetwork(plan: PlannedGlobalNetwork): Promise<NetworkRecord>;
  /** Refuses (forbidden, names them) while any node has endpoints on it; repeatable. */
  removeNetwork(network: NetworkRecord): Promise<void>;
  /**
   * Claims addresses and tells other nodes, in one transaction. Throws forbidden `address_in_use` (`Address already in use`),
   * unavailable `no available addresses on this pool`, notFound when the network is being removed, `store_unreachable`.
   */
  join(request: JoinRequest): Promise<ClusterEndpoint>;
  /** New names. */
  rename(endpoint: ClusterEndpoint): Promise<void>;
  /**
   * Gives the addresses back; repeatable. While the store is not reachable it is remembered (and stored locally) and done
   * when it is.
   */
  leave(networkId: Id, endpointId: Id): Promise<void>;
  /** Everything on other nodes now, then what changes; while this node has endpoints on the network. Returns its end. */
  followEndpoints(networkId: Id, listener: (news: EndpointNews) => void): () => void;
  /** Of all nodes, asked now: for `network inspect`. */
  endpointsOf(networkId: Id): Promise<readonly ClusterEndpoint[]>;
}
