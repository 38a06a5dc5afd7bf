import { type Cidr, familyOf, type Id, type Ip, type Mac, networkOf } from '../base/index.ts';
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
  /** Not to be chosen: configured for stopped containers of this node. */
  readonly avoid?: readonly Ip[];
}

/** What is happening to networks of global scope. */
export interface NetworkNews {
  /** true: `set` is all there is; told first, and whenever that may be unlike what was told. */
  readonly all: boolean;
  readonly set: readonly NetworkRecord[];
  readonly removed: readonly Id[];
}

/** What is happening on one network elsewhere. `names`: whether names of it are to be answered (its node is alive). */
export interface EndpointNews {
  /** true: `set` is all there is. */
  readonly all: boolean;
  readonly set: readonly (ClusterEndpoint & { readonly underlay: Ip; readonly names: boolean })[];
  readonly removed: readonly Id[];
}

/** A network of global scope before addresses and identifier are chosen. */
export type PlannedGlobalNetwork = Omit<NetworkRecord, 'pools' | 'driverState'> & {
  readonly requests: readonly GlobalPoolRequest[];
  /** VXLAN network identifier that the user chose. */
  readonly vni?: number;
  /** false: no identifier is needed (macvlan, ipvlan, direct routing). */
  readonly needsVni: boolean;
  /**
   * Each node has its endpoints in a block of each subnet that is its alone. Absent: any node may have any address.
   */
  readonly blocks?: BlockPrefixes;
  /** Subnets that this host is on: what is chosen stays clear of them. */
  readonly busy: readonly Cidr[];
};

/** Prefix lengths of nodes' blocks, of IPv4 and of IPv6; absent: as fits the subnet. */
export interface BlockPrefixes {
  readonly prefix?: number;
  readonly prefix6?: number;
}

export interface GlobalPoolRequest {
  readonly family: 4 | 6;
  readonly request: PoolRequest;
  readonly wantsGateway: boolean;
}

/** A network of ours that the store has lost, and that cannot be put back: another has what was its own. */
export interface NetworkClash {
  readonly network: NetworkRecord;
  /** What another network has now. */
  readonly reason: string;
  /** The other's frames cannot be told from its own: endpoints must not stay on it. */
  readonly indistinct: boolean;
}

/** `driverState` key of a network's VXLAN network identifier. */
export const VNI = 'vni';

/** `driverState` keys of the prefix length of the nodes' blocks; absent: the network has none of that family. */
export const BLOCK = 'block';
export const BLOCK6 = 'block6';

/** The block that has this address; undefined: the network has none. */
export function blockOf({ driverState }: Pick<NetworkRecord, 'driverState'>, ip: Ip): Cidr | undefined {
  const prefix = driverState?.[familyOf(ip) === 4 ? BLOCK : BLOCK6];
  return typeof prefix === 'number' ? networkOf({ ip, prefix }) : undefined;
}

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
  /** Why nothing can be asked of the cluster now: what was thrown last; undefined: it can. */
  readonly problem: string | undefined;
  nodes(): readonly ClusterNode[];
  /** Hears whenever {@link nodes} is another, and when all are known ({@link reachable}). Returns its end. */
  onNodes(listener: () => void): () => void;
  /**
   * Begins to reach the store, and tries again until {@link close}: the store need not be there. `endpoints` are those of ours
   * that run from before; whatever else this node holds is given back. `networks` are those that they are on: should the store
   * have lost one that was made in it, it is put back (as later for {@link join}), so that it exists as long as anybody is on it.
   */
  start(endpoints: readonly ClusterEndpoint[], networks?: readonly NetworkRecord[]): void;
  /** Lets go of the leases, for a later daemon of this node to take up; nothing ends by it before its time. Repeatable. */
  close(): Promise<void>;
  /**
   * {@link close}, and this node is no part of it any more: what the store has of it goes now. Throws `store_unreachable`; then
   * it goes by itself when its time is over.
   */
  resign(): Promise<void>;
  /** Hears of all networks once they are known, and of what changes. Returns its end. */
  followNetworks(listener: (news: NetworkNews) => void): () => void;
  /**
   * Our claim had ended (cut off for more than its time, or the store lost its data), and somebody else has an address of this
   * endpoint now: it must not go on.
   */
  onTaken(listener: (endpoint: ClusterEndpoint) => void): () => void;
  /**
   * Chooses subnets and identifier without duplicates and stores the network. Throws conflict `network_exists` (Docker's
   * text), forbidden `ipam_pool_overlap`, forbidden `vni_taken`, unavailable `store_unreachable`.
   */
  createNetwork(plan: PlannedGlobalNetwork): Promise<NetworkRecord>;
  /** The store has lost a network that endpoints of ours are on, and it cannot be put back. Told once for each reason. */
  onClash(listener: (clash: NetworkClash) => void): () => void;
  /** Refuses (forbidden, names them) while any node has endpoints on it; repeatable. */
  removeNetwork(network: NetworkRecord): Promise<void>;
  /**
   * Claims addresses and tells other nodes, in one transaction; where nodes have blocks, this node's first join claims one, which
   * is given back with its last endpoint. Throws forbidden `address_in_use` (`Address already in use`), forbidden
   * `address_of_other_node` for a wanted one outside of this node's block, unavailable `no_block` when all blocks are others',
   * unavailable `no available addresses on this pool`, notFound when the network is being removed or gone, `store_unreachable`:
   * then it is given back should it have been made all the same.
   */
  join(request: JoinRequest): Promise<ClusterEndpoint>;
  /** New names; told when the store is reachable. */
  rename(endpoint: ClusterEndpoint): Promise<void>;
  /**
   * Gives the addresses back; repeatable. While the store is not reachable it is remembered and done when it is; by a later
   * daemon too, since {@link start} is not told of the endpoint then.
   */
  leave(networkId: Id, endpointId: Id): Promise<void>;
  /**
   * Everything on other nodes as soon as it is known, then what changes, underlay addresses and whether nodes are alive
   * included. For while this node has endpoints on the network; begun before its first join. Returns its end.
   */
  followEndpoints(network: Pick<NetworkRecord, 'id' | 'pools'>, listener: (news: EndpointNews) => void): () => void;
  /** Of all nodes, asked now: for `network inspect`. */
  endpointsOf(networkId: Id): Promise<readonly ClusterEndpoint[]>;
}
