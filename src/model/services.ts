import type { Cidr, Id, Ip, IpFamily } from '../base/index.ts';
import type { PortRequest, PublishedPort, SandboxDns } from './endpoint.ts';
import type { NetworkPool, PoolRequest } from './network.ts';

/**
 * Address management. In memory; the owner (network/) rebuilds it from its records at start by `reservePool` and
 * `reserveAddress`, so that addresses are never stored twice. All calls are synchronous and atomic.
 */
export interface Ipam {
  /**
   * Chooses or checks the subnet of a new network. Refuses overlaps (`invalid pool request: Pool overlaps with other one on
   * this address space`, forbidden) and exhausted pools. `busy`: on-link routes and resolvers of the host to stay clear of.
   * A given subnet of prefix length only (`0.0.0.0/25`) asks for a size. Resolves the gateway when `wantsGateway`.
   */
  requestPool(id: Id, request: PoolRequest, options: PoolOptions): NetworkPool;
  /** Takes a pool as it was before a restart. */
  reservePool(id: Id, pool: NetworkPool, allowOverlap: boolean): void;
  /** Forgets the pools of that network; repeatable. */
  releasePools(id: Id): void;
  /**
   * The lowest free address of the network's pool of that family, or the wanted one. Throws `Address already in use`
   * (forbidden), `no available addresses on this pool` (unavailable) and, for one outside, `no configured subnet contains
   * IP address X` (invalid).
   */
  requestAddress(id: Id, family: IpFamily, wanted?: Ip): Cidr;
  releaseAddress(id: Id, ip: Ip): void;
}

export interface PoolOptions {
  readonly family: IpFamily;
  readonly wantsGateway: boolean;
  /** macvlan, ipvlan and transparent may share a subnet that the host itself is on, but not with each other. */
  readonly allowHostOverlap: boolean;
  readonly busy: readonly Cidr[];
}

/** Host ports held for one endpoint, by bound sockets. */
export interface HeldPorts {
  /**
   * A request without an address gives `0.0.0.0` and `::` on one port, whatever families the endpoint has; those of a family
   * it lacks are for {@link PortRelay}.
   */
  readonly published: readonly PublishedPort[];
  /** Of a restore: what somebody else has taken meanwhile. */
  readonly lost?: readonly PublishedPort[];
  /** What should be held and is not: lost in a restore, or without its socket since. Touches nothing. */
  unheld(): readonly PublishedPort[];
  /** Holds what can be held of these; it is among {@link published} again. Returns the rest. */
  reclaim(): readonly PublishedPort[];
  /** Repeatable. Close the relay of these ports first: it listens on the sockets that hold them. */
  release(): void;
}

/**
 * Ports of the host. A held port is really bound, so that another process gets EADDRINUSE. All-or-nothing per call.
 * Throws forbidden/internal with the text `Bind for 0.0.0.0:8080 failed: port is already allocated`.
 */
export interface PortAllocator {
  /** `families`: which the endpoint can be reached by; v4 and v6 of one mapping share the port. */
  hold(owner: Id, requests: readonly PortRequest[], families: readonly IpFamily[]): HeldPorts;
  /** After a restart: exactly these. Does not throw for a port that is taken; it is among `lost`. */
  restore(owner: Id, published: readonly PublishedPort[]): HeldPorts;
}

/**
 * In-process relay for what nft cannot translate: `::1` and v6 host addresses to a container with IPv4 only.
 */
export interface PortRelay {
  open(ports: readonly RelayedPort[]): Promise<() => Promise<void>>;
}

export interface RelayedPort {
  readonly published: PublishedPort;
  readonly target: { readonly ip: Ip; readonly port: number };
}

/** One endpoint as the resolver knows it. */
export interface DnsEndpoint {
  readonly endpointId: Id;
  readonly networkId: Id;
  readonly networkName: string;
  /** In order; the first drives PTR. */
  readonly names: readonly string[];
  readonly ipv4?: Ip;
  readonly ipv6?: Ip;
}

/** What one sandbox may resolve. */
export interface DnsView {
  readonly sandboxId: Id;
  readonly sandboxPath: string;
  /** User-defined networks it is on, in gateway order. Empty: no resolver in this sandbox. */
  readonly networkIds: readonly Id[];
  /** Names only this sandbox knows (links on user-defined networks): alias → the other endpoint's name. */
  readonly links: readonly { readonly networkId: Id; readonly alias: string; readonly target: string }[];
  readonly dns: SandboxDns;
  /** false: only internal networks; unknown names are never forwarded through the host. */
  readonly forward: boolean;
}

/**
 * The embedded resolver: 127.0.0.11:53, UDP and TCP, in every sandbox that has a view. Served by a process of
 * its own that outlives the daemon. A change is visible to queries when the call resolves.
 */
export interface Resolver {
  addEndpoint(endpoint: DnsEndpoint): Promise<void>;
  removeEndpoint(endpointId: Id): Promise<void>;
  /** Opens the sockets in the sandbox at the first view; replaces the view later. */
  setView(view: DnsView): Promise<void>;
  /** Closes the sandbox's sockets; repeatable. */
  removeView(sandboxId: Id): Promise<void>;
  /** The host's resolvers (from /etc/resolv.conf), used where the view has none of its own. */
  setHostServers(servers: readonly Ip[]): void;
  close(): Promise<void>;
}
