import type { Cidr, Id, Ip, Mac } from '../base/index.ts';
import type { Drift } from './drift.ts';
import type { Protocol } from './endpoint.ts';

export type GatewayMode = 'nat' | 'nat-unprotected' | 'routed' | 'isolated';

/** A bridge network as the packet filter sees it. One entry for each subnet the network has. */
export interface NetworkEntry {
  readonly kind: 'network';
  readonly networkId: Id;
  readonly bridge: string;
  readonly subnet: Cidr;
  readonly gateway?: Ip;
  /** Neither out nor in; only the bridge itself. */
  readonly internal: boolean;
  /** false: no traffic between two containers of the bridge. */
  readonly icc: boolean;
  readonly gatewayMode: GatewayMode;
  /** Source NAT for what leaves: `true` masquerades, an address is used as it is, `false` leaves the source alone. */
  readonly masquerade: boolean | Ip;
  /** Interfaces of the host from which containers may be reached directly. */
  readonly trustedInterfaces: readonly string[];
  /** true: nothing that containers send by this bridge is for the host itself (overlay). Absent: false. */
  readonly secluded?: boolean;
  /**
   * A closed network (internal or isolated) goes on behind this link of the host: the bridge's containers reach these addresses by it
   * and are reached from them. Absent: nowhere.
   */
  readonly beyond?: { readonly link: string; readonly subnet: Cidr };
}

/** A port of the host that leads to a container's port. One entry for each host address (`0.0.0.0`/`::` for all). */
export interface PortEntry {
  readonly kind: 'port';
  readonly networkId: Id;
  readonly endpointId: Id;
  readonly bridge: string;
  readonly protocol: Protocol;
  readonly hostIp: Ip;
  readonly hostPort: number;
  readonly containerIp: Ip;
  readonly containerPort: number;
}

/** The container's own port is open to direct (routed) access: gateway mode `routed`. */
export interface OpenPortEntry {
  readonly kind: 'openPort';
  readonly networkId: Id;
  readonly endpointId: Id;
  readonly bridge: string;
  readonly protocol: Protocol;
  readonly containerIp: Ip;
  readonly containerPort: number;
}

/** `from` may open connections to `to`'s port although icc is off (`--link` on the default bridge). */
export interface LinkEntry {
  readonly kind: 'link';
  readonly networkId: Id;
  readonly bridge: string;
  readonly from: Ip;
  readonly to: Ip;
  readonly protocol: Protocol;
  readonly port: number;
}

/**
 * All that an endpoint may send by its port of a bridge: frames with its own Ethernet address and, inside, its own IP
 * addresses; ARP and neighbour discovery that speak of these alone; no router advertisements and redirects. Anything
 * else is dropped and counted.
 */
export interface GuardEntry {
  readonly kind: 'guard';
  readonly networkId: Id;
  readonly endpointId: Id;
  /** The link of the host that is the bridge's port. It need not exist yet. */
  readonly port: string;
  readonly mac: Mac;
  /** Of both families, link-local ones included; a family that is missing is not spoken at all. `any`: they are not known. */
  readonly addresses: readonly Ip[] | 'any';
}

/**
 * A UDP port of this host to which other nodes send the frames of overlay networks. The kernel takes such packets from
 * anybody, so only those of {@link NodeEntry} pass, and nothing forwarded by this host (whose source may then be this host's
 * own) reaches that port of a node.
 */
export interface DataPortEntry {
  readonly kind: 'dataPort';
  /** That needs it; several networks may use the same port. */
  readonly networkId: Id;
  readonly port: number;
  /** true: what is not encrypted by the kernel (IPsec) is neither sent to that port nor taken from it. Absent: false. */
  readonly encrypted?: boolean;
}

/** The underlay address of a node of the cluster, this one too. One for each node, whatever it has on how many networks. */
export interface NodeEntry {
  readonly kind: 'node';
  readonly nodeId: Id;
  readonly address: Ip;
}

export type FirewallEntry =
  | NetworkEntry
  | PortEntry
  | OpenPortEntry
  | LinkEntry
  | GuardEntry
  | DataPortEntry
  | NodeEntry;

/** What the packet filter dropped because an endpoint sent what was not its own. */
export interface SpoofedFrames {
  readonly port: string;
  readonly packets: number;
}

/**
 * The packet filter of the host. It owns two nftables tables (`inet fairway` for packets, `bridge fairway` for frames)
 * wholly; each entry is an element of a few large maps and sets. A change is one transaction: all of it or nothing.
 *
 * The implementation remembers the desired state, so adding what is there and removing what is not are no-ops, and a
 * foreign flush is healed by {@link replaceAll} or at the next change.
 */
export interface Firewall {
  /** Makes the tables hold exactly these entries, in one transaction, whatever was there. */
  replaceAll(entries: readonly FirewallEntry[]): Promise<void>;
  apply(change: { readonly add?: readonly FirewallEntry[]; readonly remove?: readonly FirewallEntry[] }): Promise<void>;
  /** What of our table is not as it should be, by comparing it whole: for a look now and then. Touches nothing. */
  verify(): Promise<readonly Drift[]>;
  /** What it holds now. */
  entries(): readonly FirewallEntry[];
  /** What was dropped of each guarded port since the tables were last made. */
  spoofedFrames(): readonly SpoofedFrames[];
  /** Removes our tables. Only when the daemon gives up its networks for good (tests). */
  tearDown(): Promise<void>;
}
