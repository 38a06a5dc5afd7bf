import type { Cidr, Id, Ip, Mac } from '../base/index.ts';

/** An IPv4 address that a DHCP server lends (RFC 2131), as stored. Plain JSON data. */
export interface Lease {
  readonly address: Cidr;
  /** Who lends it. */
  readonly server: Ip;
  readonly gateway?: Ip;
  /** Classless static routes; with any of them, the gateway is among them (RFC 3442). */
  readonly routes: readonly LeasedRoute[];
  readonly mtu?: number;
  readonly dns: readonly Ip[];
  readonly domain?: string;
  /** Milliseconds since the epoch: when it was lent, when to ask that server again, when any, and when it ends. */
  readonly obtainedMs: number;
  readonly renewMs: number;
  readonly rebindMs: number;
  readonly endMs: number;
}

export interface LeasedRoute {
  readonly destination: Cidr;
  /** Absent: on the link. */
  readonly gateway?: Ip;
}

/** A link in a sandbox that has, or wants, a lent address. Up already. */
export interface LeaseLink {
  readonly sandboxPath: string;
  readonly ifname: string;
  /** Of the link itself where it has one of its own; absent where it shares its parent's (ipvlan). */
  readonly mac?: Mac;
  /** Stays the same for as long as the server shall know the container again. */
  readonly ownerId: Id;
  readonly networkId: Id;
  /** Told to the server, which may show it. */
  readonly hostname: string;
}

export interface LeaseWish {
  /** Asked for; the server may give another. */
  readonly address?: Ip;
  readonly timeoutMs: number;
}

/**
 * A DHCP client for sandboxes. It speaks from inside the sandbox and changes nothing there: whoever calls gives the link
 * what was lent.
 */
export interface Leases {
  /** Throws `dhcp_no_answer` (unavailable) when no server lends an address in time. */
  acquire(link: LeaseLink, wish: LeaseWish): Promise<Lease>;
  /**
   * Renews it in time, from now on, for as long as it is not stopped; `changed` is told of every renewal. When the server
   * refuses, or the lease has ended, another is asked for.
   */
  keep(link: LeaseLink, lease: Lease, changed: (lease: Lease) => void): () => void;
  /** Tells the server, which does not answer. The link must still have the address. */
  release(link: LeaseLink, lease: Lease): Promise<void>;
}
