import type { Cidr, Id, Ip, IpFamily } from '../base/index.ts';

/** Where a network exists: on this host, or on every host of the cluster. */
export type Scope = 'local' | 'global';

/** One address pool of a network, with everything resolved (nothing left to choose). */
export interface NetworkPool {
  readonly family: IpFamily;
  readonly subnet: Cidr;
  /** Dynamic addresses come from here; a part of `subnet`. */
  readonly ipRange?: Cidr;
  /** Absent when the driver wants none (macvlan without a user's gateway, isolated bridges). */
  readonly gateway?: Ip;
  /** Reserved addresses by name. */
  readonly auxiliary: Readonly<Record<string, Ip>>;
}

/** What the user asked of one pool, before anything is chosen; empty members are chosen by IPAM. */
export interface PoolRequest {
  readonly subnet?: Cidr;
  readonly ipRange?: Cidr;
  readonly gateway?: Ip;
  readonly auxiliary?: Readonly<Record<string, Ip>>;
}

/** A network as stored. Plain JSON data: it goes to the store as it is. */
export interface NetworkRecord {
  readonly id: Id;
  readonly name: string;
  /** Nanoseconds since the epoch, decimal text. */
  readonly created: string;
  readonly scope: Scope;
  /** Of global scope: the cluster that it was made in. */
  readonly cluster?: Id;
  readonly driver: string;
  readonly enableIpv4: boolean;
  readonly enableIpv6: boolean;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly ingress: boolean;
  readonly configOnly: boolean;
  /** Name of the configuration-only network whose settings were copied. */
  readonly configFrom?: string;
  /** The driver's options exactly as the user gave them (labels such as `com.docker.network.bridge.name`). */
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly ipam: {
    readonly driver: string;
    readonly options: Readonly<Record<string, string>>;
    /** What the user asked for, for inspect of networks without pools (host, none, config-only). */
    readonly requested: readonly PoolRequest[];
  };
  readonly pools: readonly NetworkPool[];
  /** What the driver wants to remember to remove the network. Plain JSON. */
  readonly driverState?: Readonly<Record<string, string | number | boolean>>;
}

/** What `network create` asks for. Parsed at the edge, validated by `network/`. */
export interface NetworkRequest {
  readonly name: string;
  readonly driver?: string;
  readonly scope?: Scope;
  readonly enableIpv4?: boolean;
  readonly enableIpv6?: boolean;
  readonly internal?: boolean;
  readonly attachable?: boolean;
  readonly ingress?: boolean;
  readonly configOnly?: boolean;
  readonly configFrom?: string;
  readonly options?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ipam?: {
    readonly driver?: string;
    readonly options?: Readonly<Record<string, string>>;
    readonly pools?: readonly PoolRequest[];
  };
}
