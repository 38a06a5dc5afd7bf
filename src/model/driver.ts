import type { Cidr, Id, Ip, IpFamily, Mac } from '../base/index.ts';
import type { BlockPrefixes, Peer } from './cluster.ts';
import type { Drift } from './drift.ts';
import type { EndpointRequest } from './endpoint.ts';
import type { FirewallEntry } from './firewall.ts';
import type { NetworkRecord, PoolRequest, Scope } from './network.ts';

/** What a driver is, for validation before anything is done. */
export interface DriverTraits {
  /** Name in the API: `bridge`, `macvlan`, … */
  readonly name: string;
  readonly scope: Scope;
  /** true: a network may also be of global scope where the user asks for that (macvlan, ipvlan). */
  readonly mayBeGlobal?: boolean;
  /** false: host and none, which need no pools and no addresses. */
  readonly usesIpam: boolean;
  /** true: IPAM picks the first address as gateway when the user gave none (bridge). */
  readonly allocatesGateway: boolean;
  /** true: may have addresses from elsewhere, or none (`--ipam-driver dhcp` and `null`): macvlan, ipvlan, transparent. */
  readonly takesForeignAddresses?: boolean;
  /** true: published ports are programmed (bridge); false: ignored with a warning. */
  readonly publishesPorts: boolean;
  /** true: containers resolve names through the embedded DNS on networks of this driver. */
  readonly resolvesNames: boolean;
  /**
   * true: its networks have no way out of their own, so sandboxes on them (unless internal) are joined to the gateway network,
   * too, while nothing else leads out (overlay).
   */
  readonly needsGatewayNetwork?: boolean;
  /** true: exactly one network of this driver exists and users can neither create nor remove it (host, none). */
  readonly predefinedOnly: boolean;
}

/** A link that the sandbox will find, already inside its namespace and named, with the addresses it must have. */
export interface Attachment {
  /** Name inside the sandbox; absent when the driver makes no link (host, none). */
  readonly ifname?: string;
  readonly mac?: Mac;
  /** Gateways for the default route; absent: none by this endpoint (internal, none, isolated). */
  readonly gateway4?: Ip;
  readonly gateway6?: Ip;
  /** A default route by device, without next hop (ipvlan l3). */
  readonly defaultByDevice?: boolean;
  /** Further routes in the sandbox through this link. */
  readonly routes?: readonly { readonly destination: Cidr; readonly gateway?: Ip; readonly metric?: number }[];
  /** Elements the firewall must hold while the endpoint is attached. */
  readonly firewall: readonly FirewallEntry[];
  /** Remembered in {@link EndpointRecord.driverState}. */
  readonly state: Readonly<Record<string, string | number | boolean>>;
}

/** What a driver needs to know of an endpoint to attach it. Addresses are already allocated. */
export interface AttachSpec {
  readonly endpointId: Id;
  readonly ownerId: Id;
  readonly network: NetworkRecord;
  readonly sandboxPath: string;
  /** Name wanted in the sandbox: chosen by `network/` (`eth0` …) unless the driver's prefix says otherwise. */
  readonly ifname: string;
  readonly ipv4?: Cidr;
  readonly ipv6?: Cidr;
  readonly mac?: Mac;
  readonly request: EndpointRequest;
}

/**
 * A kind of network. Source of semantics: libnetwork's driver API.
 *
 * Every call is validated first and undone by the driver itself when it fails half-way. `remove` and `detach` are
 * idempotent and succeed when half (or all) is already gone. Drivers keep no state that `restore` cannot rebuild.
 */
export interface NetworkDriver {
  readonly traits: DriverTraits;

  /**
   * Refuses what cannot work, naming the option and value, before anything is allocated; touches nothing.
   * `others` are the existing networks of this driver. Throws `invalid`, `forbidden` or UnsupportedError.
   */
  validate(request: DriverNetworkRequest, others: readonly NetworkRecord[]): void;

  /** false: this network has no gateway of that family although its driver has one (isolated bridges). Absent: as the traits say. */
  wantsGateway?(request: DriverNetworkRequest, family: IpFamily): boolean;

  /** VXLAN network identifier that a network needs, and which the user chose. Absent: none. After {@link validate}. */
  identifier?(request: DriverNetworkRequest): { readonly needed: boolean; readonly chosen?: number };

  /**
   * Global scope: whether each node has its endpoints in a block of each subnet, and the prefix lengths that the user chose for
   * these. After {@link validate}. Absent, undefined: any node may have any address.
   */
  nodeBlocks?(request: DriverNetworkRequest): BlockPrefixes | undefined;

  /**
   * Makes what the network needs on the host (a bridge and its addresses). Undone by {@link removeNetwork}. Of a network of
   * global scope: before the first endpoint of this node joins it; removed after the last has left.
   */
  createNetwork(network: NetworkRecord): Promise<NetworkSetup>;

  /** Removes it; repeatable. */
  removeNetwork(network: NetworkRecord): Promise<void>;

  /**
   * After a restart of the daemon, and when this node's underlay address has changed: makes good what is missing or different
   * on the host and tears nothing down.
   */
  restoreNetwork(network: NetworkRecord): Promise<NetworkSetup>;

  /**
   * After a restart: the setup of a network whose endpoints can go on and new ones be attached, at a glance and touching
   * nothing; {@link verifyNetwork} looks closer later. Undefined: it has to be restored. Absent: it always has.
   */
  adoptNetwork?(network: NetworkRecord): NetworkSetup | undefined;

  /** Puts a link with its addresses into the sandbox, up, without default routes. Undone by {@link detach}. */
  attach(spec: AttachSpec): Promise<Attachment>;

  /**
   * Repeatable; the sandbox may be gone already. Afterwards the link's name and addresses are free, in the sandbox too; what is left
   * of it is down, without addresses, and vanishes by itself.
   */
  detach(spec: AttachSpec, state: Attachment['state']): Promise<void>;

  /** Rebuilds the attachment of a running endpoint after a restart, touching nothing. */
  restoreAttachment(spec: AttachSpec, state: Attachment['state']): Attachment;

  /** The endpoint's address is known only now, or is another, or none any more (`--ipam-driver dhcp`). Repeatable. Optional. */
  moveAddress?(spec: AttachSpec, change: { readonly from?: Cidr; readonly to?: Cidr }): void;

  /**
   * What the packet filter holds of the frames that the endpoint may send: from before {@link attach} (asked without
   * `state`) until after {@link detach}, so that there is no moment without. Touches nothing. Absent: nothing is checked.
   */
  guard?(spec: AttachSpec, state?: Attachment['state']): readonly FirewallEntry[];

  /**
   * Global scope: where the endpoints on other nodes are, all of them; whatever else the kernel has of such is taken out. The
   * network is made on this node. Remembered for {@link verifyNetwork} and {@link restoreNetwork}, even if it throws what the
   * kernel refused, which it does after having tried all of them.
   */
  replacePeers?(network: NetworkRecord, peers: readonly Peer[]): void;

  /** What of them has changed. Setting again and removing what is not there change nothing. Throws likewise. */
  changePeers?(network: NetworkRecord, change: { readonly set: readonly Peer[]; readonly remove: readonly Id[] }): void;

  /** Tells the neighbours where the address now is (gratuitous ARP, unsolicited NA). Optional. */
  announce?(spec: AttachSpec, state: Attachment['state']): void;

  /** What of the network is not as {@link createNetwork} made it; {@link restoreNetwork} makes it good. Touches nothing. */
  verifyNetwork?(network: NetworkRecord): readonly Drift[];

  /** What of a live endpoint is not as {@link attach} made it. The sandbox exists. Touches nothing. */
  verifyAttachment?(spec: AttachSpec, state: Attachment['state']): readonly Drift[];

  /** Makes good what {@link verifyAttachment} finds, by difference; its network is whole already. */
  repairAttachment?(spec: AttachSpec, state: Attachment['state']): Promise<Attachment>;

  /** What {@link sweep} would remove. */
  orphans?(known: KnownObjects): readonly Drift[];

  /** After a restart: removes what carries this driver's mark and belongs to nothing known. Optional. */
  sweep?(known: KnownObjects): Promise<void>;
}

/** Ids of what exists, or is being made or removed at this moment. */
export interface KnownObjects {
  readonly networks: ReadonlySet<Id>;
  readonly endpoints: ReadonlySet<Id>;
}

/** The part of a network request that drivers judge. */
export interface DriverNetworkRequest {
  readonly id: Id;
  readonly name: string;
  readonly enableIpv4: boolean;
  readonly enableIpv6: boolean;
  readonly internal: boolean;
  readonly options: Readonly<Record<string, string>>;
  readonly pools: readonly PoolRequest[];
  /** Absent: `default`. */
  readonly ipam?: { readonly driver: string };
}

export interface NetworkSetup {
  /** Elements the firewall holds while the network exists. */
  readonly firewall: readonly FirewallEntry[];
  /** Host address that published ports are bound to unless they say otherwise; absent: all. */
  readonly hostBinding?: Ip;
  /** Remembered in {@link NetworkRecord.driverState}. */
  readonly state?: NetworkRecord['driverState'];
}
